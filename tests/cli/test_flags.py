"""Flags go before variables, those before the file, and that before the defaults; what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tidegate.app import Options
from tidegate.cli import _flags, _settings
from tidegate.cli import run as run_module


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """Catch the options of a gateway in place of running one."""
    caught: list[Options] = []
    from tidegate.app import _gateway

    monkeypatch.setattr(_gateway, "Gateway", lambda options: options)
    monkeypatch.setattr(_gateway, "run", caught.append)
    return caught


def test_defaults_are_those_of_ingress_nginx(run: Run, chosen: list[Options], tmp_path: Path) -> None:
    assert run("run", "--manifests", str(tmp_path)).code == 0
    (options,) = chosen
    node = options.translation.node
    assert (node.http_port, node.https_port, node.status_port) == (80, 443, 10254)
    assert options.translation.ingress_class == "nginx"
    assert options.translation.configmap == "ingress-nginx/ingress-nginx-controller"
    # These differ in a folder, because the operator wrote it.
    assert options.translation.watch_without_class
    assert options.translation.allow_loopback_endpoints


def test_a_flag_goes_before_a_variable_and_that_before_the_file(
    run: Run, chosen: list[Options], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tidegate.toml"
    file.write_text('http-port = 1001\nhttps-port = 1002\nstatus-port = 1003\ningress-class = "mine"\n')
    monkeypatch.setenv("TIDEGATE_HTTPS_PORT", "2002")
    monkeypatch.setenv("TIDEGATE_STATUS_PORT", "2003")
    done = run("run", "--manifests", str(tmp_path), "--config", str(file), "--status-port=3003")
    assert done.code == 0, done.err
    node = chosen[0].translation.node
    assert (node.http_port, node.https_port, node.status_port) == (1001, 2002, 3003)
    assert chosen[0].translation.ingress_class == "mine"


def test_booleans_may_be_written_as_in_a_manifest_of_the_predecessor(
    run: Run, chosen: list[Options], tmp_path: Path
) -> None:
    done = run(
        "run", "--manifests", str(tmp_path), "--watch-ingress-without-class=false", "--disable-catch-all=true",
        "--enable-metrics", "--election-ttl=30s", "--healthz-port=9999", "--v=2", "--time-buckets=.1,.5",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert not chosen[0].translation.watch_without_class
    assert chosen[0].translation.disable_catch_all
    assert chosen[0].translation.node.status_port == 9999


def test_what_has_no_effect_yet_is_said_once_each(run: Run, chosen: list[Options], tmp_path: Path) -> None:
    done = run("run", "--manifests", str(tmp_path), "--disable-sync-events", "--sync-rate-limit=5")
    assert done.err.count("accepted, no effect yet") == 2
    assert "--disable-sync-events" in done.err
    assert "--sync-rate-limit" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--http-port", "70000"], ("--http-port", "70000", "a port from 1 to 65535")),
        (["--http-port=x"], ("--http-port", "x", "a port")),
        (["--election-ttl", "soon"], ("--election-ttl", "soon", "30s")),
        (["--status-update-interval", "1"], ("--status-update-interval", "at least 5")),
        (["--configmap", "nowhere"], ("--configmap", "nowhere", "namespace/name")),
        (["--store-size", "12q"], ("--store-size", "12q", "256m")),
        (["--enable-metrics=perhaps"], ("--enable-metrics", "perhaps", "true or false")),
        (["--access-log", "a;b"], ("--access-log", "a;b", "letters")),
        (["--access-log", "--http-port"], ("--access-log", "--http-port", "letters")),
        (["--no-such-flag"], ("--no-such-flag", "--help")),
        (["--http-port", "8080", "--https-port", "8080"], ("--http-port", "--https-port", "8080")),
        (["--kubeconfig", "x"], ("--manifests", "--kubeconfig")),
        (["--config", "missing.toml"], ("--config", "missing.toml", "TOML")),
    ],
)
def test_a_wrong_flag_is_named_with_its_value_and_what_would_be_accepted(
    run: Run, chosen: list[Options], tmp_path: Path, words: list[str], said: tuple[str, ...]
) -> None:
    done = run("run", "--manifests", str(tmp_path), *words)
    assert done.code == 2
    assert all(text in done.err for text in said), done.err
    assert not chosen


def test_a_key_of_the_file_that_is_no_flag_is_wrong(run: Run, chosen: list[Options], tmp_path: Path) -> None:
    file = tmp_path / "tidegate.toml"
    file.write_text("http-prot = 80\n")
    done = run("run", "--manifests", str(tmp_path), "--config", str(file))
    assert done.code == 2
    assert "http-prot" in done.err


def test_a_source_is_needed(run: Run, chosen: list[Options]) -> None:
    done = run("run")
    assert done.code == 2
    assert "--manifests" in done.err


def test_every_flag_of_the_predecessor_is_known() -> None:
    names = {field.replace("_", "-") for group in (_flags.ObjectFlags, _flags.NodeFlags, _flags.LaterFlags)
             for field in group.__dataclass_fields__}  # fmt: skip
    wanted = (Path(__file__).parent / "predecessor_flags.txt").read_text().split()
    assert [name for name in wanted if name not in names | {"healthz-port", "version"}] == []


@pytest.mark.parametrize("command", ["run", "stop", "routes", "backends", "certs", "findings", "info", "check",
                                     "explain", "version"])  # fmt: skip
def test_help_teaches_with_an_example(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert done.code == 0
    assert f"tidegate {command}" in done.out


def test_paths_of_the_state_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = _settings.options(
        _flags.NodeFlags(manifests=tmp_path), _flags.ObjectFlags(), _flags.LaterFlags(), Path("state")
    )
    assert made.state_dir == tmp_path / "state"
    assert run_module.run.__doc__
