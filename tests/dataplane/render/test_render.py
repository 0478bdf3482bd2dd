"""The text of ``nginx.conf``, judged by nginx itself and as a parsed tree."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import crossplane
import pytest

from harness import waiting
from tidegate.dataplane import install, render
from tidegate.model import NodeSettings, Profile

FORWARDING = ("use_forwarded_headers", "compute_full_forwarded_for", "enable_real_ip", "use_proxy_protocol")
SWITCHES = (
    "http2",
    "underscores_in_headers",
    "ignore_invalid_headers",
    "server_tokens",
    "buffering",
    "original_uri_header",
    "generate_request_id",
    "ssl_session_tickets",
)


def _node(**changed: Any) -> NodeSettings:
    http, https, status = waiting.free_ports(3)
    return NodeSettings(
        http_port=http, https_port=https, status_port=status, bind_addresses=("127.0.0.1", "::1"), **changed
    )


def _judge(folder: Path, node: NodeSettings, profiles: list[Profile] | None = None) -> None:
    """Let nginx test the configuration as the keeper does."""
    installation = install.find()
    render.ensure_default_certificate(folder)
    instance = folder / "nginx" / "1"
    instance.mkdir(parents=True, exist_ok=True)
    (instance / "nginx.conf").write_text(render.render(node, profiles or [], installation).text)
    done = subprocess.run(
        [*installation.nginx_argv(), "-t", "-p", "./", "-c", "nginx.conf", "-e", "stderr"],
        cwd=instance,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("values", [*itertools.product([False, True], repeat=len(FORWARDING))])
def test_nginx_takes_every_way_of_forwarding(tmp_path: Path, values: tuple[bool, ...]) -> None:
    """All combinations of whom to believe."""
    cidrs = ("10.0.0.0/8", "2001:db8::/32", "192.0.2.1")
    _judge(tmp_path, _node(**dict(zip(FORWARDING, values, strict=True)), real_ip_cidrs=cidrs))


@pytest.mark.parametrize("switch", SWITCHES)
def test_nginx_takes_every_switch_either_way(tmp_path: Path, switch: str) -> None:
    """Each alone."""
    for value in (True, False):
        _judge(tmp_path, _node(**{switch: value}))


def test_nginx_takes_unusual_numbers(tmp_path: Path) -> None:
    """No pool, no limits, a log."""
    _judge(
        tmp_path,
        _node(upstream_keepalive_connections=0, body_size=0, keepalive_timeout=0, access_log="access.log"),
    )


def test_nginx_takes_profiles_beyond_the_everyday_ones(tmp_path: Path) -> None:
    """Every key with every kind of value."""
    odd = [Profile((("body_size", 1), ("buffering", value))) for value in (True, False)]
    _judge(tmp_path, _node(), [*odd, Profile((("body_size", 0),))])


def test_a_profile_key_without_a_directive_is_refused() -> None:
    """Rather than left out."""
    with pytest.raises(ValueError, match="colour"):
        render.render(_node(), [Profile((("colour", "red"),))], install.find())


def test_the_same_settings_give_the_same_bytes_whatever_the_order_of_profiles() -> None:
    """And so the same generation; other settings give another."""
    a, b = Profile((("body_size", 11),)), Profile((("body_size", 12),))
    node = _node()
    first, second = (render.render(node, profiles, install.find()) for profiles in ([a, b], [b, a]))
    assert first == second
    assert render.render(node, [a], install.find()).generation != first.generation
    assert {a.id, b.id} <= first.profiles.keys()


def test_a_worker_user_is_named_only_where_asked(tmp_path: Path) -> None:
    """As a directive of its own at the top."""
    (tmp_path / "nginx.conf").write_text(
        render.render(_node(), [], install.find(), worker_user="www-data").text
    )
    tree = crossplane.parse(str(tmp_path / "nginx.conf"))
    assert tree["status"] == "ok", json.dumps(tree["errors"])
    top = {d["directive"]: d["args"] for d in tree["config"][0]["parsed"]}
    assert top["user"] == ["www-data"]
    assert "user " not in render.render(_node(), [], install.find()).text


def test_the_default_certificate_is_made_once(tmp_path: Path) -> None:
    """Readable by its owner alone, and kept; one that is broken is made anew."""
    render.ensure_default_certificate(tmp_path)
    chain, key = tmp_path / "default.crt", tmp_path / "default.key"
    first = chain.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    render.ensure_default_certificate(tmp_path)
    assert chain.read_bytes() == first
    chain.write_text("not a certificate")
    render.ensure_default_certificate(tmp_path)
    assert chain.read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
