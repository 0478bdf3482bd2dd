"""Commands look at a running gateway, and at what a dead one left serving."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from harness import manifests, programs
from harness.backends import Backends
from harness.certs import Authority, Pair
from harness.gateway import Gateway
from harness.manifests import path, rule
from harness.services import Services

HOST = "look.example"


@pytest.fixture(scope="module")
def pair() -> Pair:
    return Authority().issue(HOST)


@pytest.fixture(scope="module")
def gateway(pair: Pair) -> Iterator[Gateway]:
    with Backends() as pool:
        services = Services(pool, "look")
        objects = [
            *services.make("web", count=2),
            manifests.tls_secret("cert", pair, namespace="look"),
            services.ingress(
                "web", rule(HOST, path("/", "web")), tls=[([HOST], "cert")],
                annotations={"proxy-read-timeout": "soon", "ssl-redirect": "false"},
            ),
        ]  # fmt: skip
        with Gateway(objects) as started:
            yield started


def ask(gateway: Gateway, *words: str, code: int = 0) -> Any:
    done = gateway.run(*words, "--output", "json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_routes_say_what_leads_where(gateway: Gateway) -> None:
    (route,) = [r for r in ask(gateway, "routes")["routes"] if r["host"] == HOST]
    assert (route["kind"], route["path"], route["ingress"], route["service"]) == (
        "Prefix",
        "/",
        "look/web",
        "web:80",
    )
    assert route["endpoints"] == 2
    assert HOST in gateway.run("routes").stdout
    assert ask(gateway, "routes", "no-such-host")["routes"] == []


def test_backends_list_their_endpoints(gateway: Gateway) -> None:
    (backend,) = ask(gateway, "backends", "look/web")["backends"]
    assert len(backend["endpoints"]) == 2


def test_certificates_are_told_and_their_keys_are_not(gateway: Gateway, pair: Pair) -> None:
    (certificate,) = [c for c in ask(gateway, "certs")["certificates"] if HOST in c["hosts"]]
    assert certificate["names"] == [HOST]
    for words in (["certs"], ["certs", "--output", "json"], ["routes", "--output", "json"]):
        shown = gateway.run(*words).stdout
        assert "PRIVATE KEY" not in shown
        assert pair.key.splitlines()[1] not in shown


def test_findings_end_with_one_and_name_the_place(gateway: Gateway) -> None:
    findings = ask(gateway, "findings", code=1)["findings"]
    (finding,) = [f for f in findings if "proxy-read-timeout" in f["field"]]
    assert finding["value"] == "soon"
    assert finding["line"] > 0
    assert "proxy-read-timeout" in gateway.run("findings").stdout


def test_info_tells_about_controller_and_data_plane(gateway: Gateway) -> None:
    told = ask(gateway, "info")
    assert told["controller"]["ready"]
    assert told["controller"]["entries"]["routes"] >= 1
    assert told["controller"]["pushes"]["p50_ms"] > 0
    assert told["data_plane"]["version"] == told["controller"]["version"]
    assert "data plane" in gateway.run("info").stdout


def test_explain_uses_what_is_in_force(gateway: Gateway) -> None:
    told = ask(gateway, "explain", "GET", f"https://{HOST}/x")["decision"]
    assert (told["answer"], told["backend"], told["host"]) == ("backend", "look/web/80", HOST)
    assert {s["key"]: s["origin"] for s in told["settings"]}["ssl_redirect"] == "annotation"


def test_a_dead_controller_is_no_hindrance_to_looking(gateway: Gateway) -> None:
    gateway.kill()
    try:
        assert [r["host"] for r in ask(gateway, "routes", HOST)["routes"]] == [HOST]
        assert ask(gateway, "explain", "GET", f"https://{HOST}/x")["decision"]["backend"] == "look/web/80"
        assert ask(gateway, "info")["controller"]["trouble"]
        assert gateway.run("findings").returncode == 3
    finally:
        gateway.start()


def test_version_names_every_part_as_loaded() -> None:
    done = subprocess.run(
        [*programs.tidegate(), "version", "--output", "json"], capture_output=True, text=True, check=True
    )
    parts = {part["part"]: part["version"] for part in json.loads(done.stdout)["parts"]}
    assert parts["nginx"].startswith("1.")
    assert {"tidegate", "python", "nginx lua module", "LuaJIT", "lua-resty-core", "OpenSSL"} <= parts.keys()


def test_flags_after_nginx_are_nginx_own() -> None:
    done = subprocess.run([*programs.tidegate(), "nginx", "-V"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "configure arguments" in done.stderr
