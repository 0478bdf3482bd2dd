"""Each process is killed (-9) under load, and the ledger says what it cost. `make faults` does the same for long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import certs, manifests, victims
from harness.gateway import Gateway
from harness.manifests import path, rule
from harness.services import Services
from harness.trial import Recorders, Trial

HOST = "killed.example"
MIX = "get=60,new=15,tls=10,post=10,h2=5"


@pytest.fixture(scope="module")
def recorders() -> Iterator[Recorders]:
    with Recorders() as started:
        yield started


@pytest.fixture(scope="module")
def gateway(recorders: Recorders, authority: certs.Authority) -> Iterator[Gateway]:
    services = Services(None, "killed")  # type: ignore[arg-type]
    web = recorders.start("web", 3, tenant="a")
    for one in web:
        recorders.belongs("plain", one)
        recorders.belongs("tls", one)
    objects = [
        *services.of("web", web),
        services.ingress("web", rule(HOST, path("/", "web")), tls=[([HOST], "pair")]),
        manifests.tls_secret("pair", authority.issue(HOST), namespace="killed"),
        manifests.config_map({"ssl-redirect": "false"}),
    ]
    with Gateway(objects, access_log=False) as started:
        yield started


def trial(recorders: Recorders, gateway: Gateway, **more: object) -> Trial:
    targets = [f"plain@a=http://{HOST}/", f"tls@a=https://{HOST}/"]
    ports = {"ports": [gateway.http_port], "tls_ports": [gateway.https_port]}
    return Trial(recorders, targets, mix=MIX, **ports, **more)  # type: ignore[arg-type]


def test_a_load_without_faults_has_none(recorders: Recorders, gateway: Gateway) -> None:
    """Or nothing below would mean anything; and all kinds of requests are there, all judgments made."""
    with trial(recorders, gateway, rate=500) as load:
        gateway.folder.write("other.yaml", manifests.ingress("o", rule("o.example", path("/", "no"))))
        gateway.eventually("o.example", status=503)
    assert not load.failed
    assert {how.how for how in load.figures.hows} <= {"get", "new", "tls", "post", "h2"}
    assert load.verdict.judged == ["outcomes", "executions", "members", "tenants"]


def test_the_controller(recorders: Recorders, gateway: Gateway) -> None:
    """Nothing fails, nothing reloads, no worker changes; what changed while it was dead is in force afterwards."""
    before = gateway.status()
    with trial(recorders, gateway) as load:
        gateway.kill()
        gateway.folder.write(
            "down.yaml", manifests.ingress("down", rule("down.example", path("/", "web")), namespace="killed")
        )
        gateway.start()
        gateway.eventually("down.example", status=200, timeout=5)
        victims.kill(gateway, victims.CONTROLLER)
    after = gateway.status()
    assert not load.failed
    same = ("workers", "master", "keeper", "generation", "reloads", "handovers", "restarts")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


def test_the_keeper(recorders: Recorders, gateway: Gateway) -> None:
    """Nothing fails, nginx stays as it is, and a new keeper comes although nothing was to be pushed."""
    before = gateway.status()
    with trial(recorders, gateway) as load:
        for _ in range(2):
            victims.kill(gateway, victims.KEEPER)
    after = gateway.status()
    assert not load.failed
    assert after["keeper"] != before["keeper"]
    assert (after["workers"], after["master"]) == (before["workers"], before["master"])
    assert gateway.run("info").returncode == 0


def test_keeper_and_then_master(recorders: Recorders, gateway: Gateway) -> None:
    """The keeper that came of itself is there to start nginx again."""
    with trial(recorders, gateway) as load:
        victims.kill(gateway, victims.KEEPER)
        victims.kill(gateway, victims.MASTER)
    assert victims.beyond_cut(load.verdict) == []


def test_the_master(recorders: Recorders, gateway: Gateway) -> None:
    """Its workers go on until the new ones serve; no port is in anybody's way; no request gets an error for an answer."""
    with trial(recorders, gateway) as load:
        victims.kill(gateway, victims.MASTER)
    assert victims.beyond_cut(load.verdict) == []
    # Idle connections are closed by the old workers as they end, as in every reload of nginx.
    assert len(load.verdict.faults) <= 5, load.failed
    assert "in use" not in gateway.nginx_logs()


def test_a_worker(recorders: Recorders, gateway: Gateway) -> None:
    """Only requests that it had in hand are lost; its successor knows routes, endpoints and certificates at once."""
    before = gateway.status()
    with trial(recorders, gateway) as load:
        for number in range(3):
            victims.kill(gateway, victims.WORKER, number)
    assert victims.beyond_cut(load.verdict) == []
    assert len(load.verdict.faults) <= 10, load.failed
    after = gateway.status()
    assert (after["master"], after["version"]) == (before["master"], before["version"])


def test_a_plain_client_with_two_gateways_loses_nothing_while_one_starts_anew(
    recorders: Recorders, gateway: Gateway
) -> None:
    """It tries the other address when it gets no connection; what is dead before it is asked costs no request."""
    services = Services(None, "killed")  # type: ignore[arg-type]
    web = recorders.start("more", 1, tenant="a")
    recorders.belongs("plain", web[0])
    objects = [*services.of("web", web), services.ingress("web", rule(HOST, path("/", "web")))]
    with Gateway(objects, access_log=False) as second:
        ports = [gateway.http_port, second.http_port]
        load = Trial(recorders, [f"plain@a=http://{HOST}/"], ports=ports, connects=2, mix="new=90,post=10")
        with load:
            assert second.terminate() == 0
            second.start()
    assert [f for f in load.verdict.faults if f.detail.startswith("new")] == []
    assert victims.beyond_cut(load.verdict) == []
