"""A store that is full refuses a change as a whole: nothing of it is in force, and all that was goes on (B13, B14)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

import pytest

from harness import manifests, waiting
from harness.backends import Backends
from harness.gateway import Gateway
from harness.manifests import Manifest, path, rule
from harness.services import Services

APPS = 6
ATOMS = 10
STEPS = 9
FILLERS = 14
STORE = "2m"


@pytest.fixture(scope="module")
def services(pool: Backends) -> Services:
    return Services(pool, "full")


@pytest.fixture(scope="module")
def gateway(services: Services) -> Iterator[Gateway]:
    steady = services.ingress("steady", rule("steady.example", path("/", "web")))
    with Gateway([*services.make("web"), steady], args=["--store-size", STORE]) as started:
        yield started


def app(number: int, *, huge: bool, count: int = 1) -> list[Manifest]:
    """Give an application whose endpoints refuse; a huge one has more of them than the store can hold."""
    count = 120_000 if huge else count
    addresses = [f"127.{9 + n // 62500}.{n // 250 % 250}.{1 + n % 250}" for n in range(count)]
    name = f"app{number}"
    return [
        manifests.service(name, namespace="full"),
        manifests.endpoint_slice(name, 1, addresses, namespace="full"),
        manifests.ingress(name, rule(f"{name}.full.example", path("/", name)), namespace="full"),
    ]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("position", range(APPS))
def test_an_object_that_does_not_fit_is_refused_and_others_are_not(
    gateway: Gateway, services: Services, position: int
) -> None:
    """Later changes come into force, and so does it once it is smaller; what was refused leaves nothing behind."""
    free = gateway.status()["store"]["free"]
    _write(gateway, [o for n in range(APPS) for o in app(n, huge=n == position)])
    waiting.until(lambda: _tells_full(gateway), 30, 0.1, why="a finding")
    gateway.apply(
        services.ingress("later", rule("later.example", path(f"/{position}", "web"))), name="later.yaml"
    )
    assert gateway.get("later.example", f"/{position}").status == 200
    assert gateway.get("steady.example").status == 200
    assert _statuses(gateway) == [404 if n == position else 502 for n in range(APPS)]
    _write(gateway, [o for n in range(APPS) for o in app(n, huge=False)])
    waiting.until(lambda: _statuses(gateway) == [502] * APPS, 30, 0.1)
    waiting.until(lambda: not _tells_full(gateway), 30, 0.1, why="no finding any more")
    gateway.folder.remove("apps.yaml")
    waiting.until(lambda: _statuses(gateway) == [404] * APPS, 30, 0.1)
    waiting.until(lambda: gateway.status()["store"]["free"] >= free - 65536, 10, 0.1, why="room as before")


def many_entries(turn: int) -> Manifest:
    """Give one Ingress that makes about a megabyte of entries: hosts, their rules, and a route for each rule."""
    long = "x" * 180
    rules = [
        rule(f"atom{n}.example", *(path(f"/{turn}/{i}/{long}", "web") for i in range(120)), path("/", "web"))
        for n in range(ATOMS)
    ]
    return manifests.ingress("atom", *rules, namespace="full", annotations={"proxy-read-timeout": 30 + turn})


@pytest.mark.timeout(180)
def test_a_change_is_in_force_whole_or_not_at_all_wherever_the_store_is_full(gateway: Gateway) -> None:
    """The room left is made smaller step by step, so that another entry of the change is the one that does not fit."""
    seen = set()
    for step in range(STEPS):
        # Many small ones: shared memory that has been used has few large pieces left.
        fillers = [100 * step + n for n in range(FILLERS)]
        _write(
            gateway, [o for n in fillers for o in app(n, huge=False, count=500)], name=f"filler-{step}.yaml"
        )
        for n in fillers:
            gateway.eventually(f"app{n}.full.example", status=502)
        version = gateway.status()["version"]
        _write(gateway, [many_entries(step)], name="atom.yaml")
        waiting.until(partial(_settled, gateway, version), 30, 0.05, why="in force or refused")
        answers = {gateway.get(f"atom{n}.example").status for n in range(ATOMS)}
        assert len(answers) == 1, (step, answers)
        seen |= answers
        gateway.folder.remove("atom.yaml")
        waiting.until(lambda: gateway.get("atom0.example").status == 404, 30, 0.05, why="its removal")
        waiting.until(lambda: not _tells_full(gateway), 30, 0.05, why="no finding any more")
    for step in range(STEPS):
        gateway.folder.remove(f"filler-{step}.yaml")
    assert seen == {200, 404}


def _settled(gateway: Gateway, version: int) -> bool:
    return _tells_full(gateway) or gateway.status()["version"] > version


def _write(gateway: Gateway, objects: list[Manifest], name: str = "apps.yaml") -> None:
    """Write as JSON, which is YAML too and quick to make."""
    gateway.folder.write_text(name, "\n---\n".join(json.dumps(o) for o in objects))


def _statuses(gateway: Gateway) -> list[int]:
    return [gateway.get(f"app{n}.full.example").status for n in range(APPS)]


def _tells_full(gateway: Gateway) -> bool:
    return '"StoreFull"' in gateway.run("findings", "--output", "json").stdout
