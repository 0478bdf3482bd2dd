"""A store that is full refuses a change as a whole: nothing of it is in force, and all that was goes on (B13, B14)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import manifests, waiting
from harness.backends import Backends
from harness.gateway import Gateway
from harness.manifests import Manifest, path, rule
from harness.services import Services

APPS = 6
STORE = "2m"


@pytest.fixture(scope="module")
def services(pool: Backends) -> Services:
    return Services(pool, "full")


@pytest.fixture(scope="module")
def gateway(services: Services) -> Iterator[Gateway]:
    steady = services.ingress("steady", rule("steady.example", path("/", "web")))
    with Gateway([*services.make("web"), steady], args=["--store-size", STORE]) as started:
        yield started


def app(number: int, *, huge: bool) -> list[Manifest]:
    """Give an application; a huge one has more endpoints than the store can hold."""
    count = 200_000 if huge else 1
    addresses = [f"10.{n // 62500}.{n // 250 % 250}.{1 + n % 250}" for n in range(count)]
    name = f"app{number}"
    return [
        manifests.service(name, namespace="full"),
        manifests.endpoint_slice(name, 80, addresses, namespace="full"),
        manifests.ingress(name, rule(f"{name}.full.example", path("/", name)), namespace="full"),
    ]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("position", range(APPS))
def test_a_change_that_does_not_fit_is_refused_whole(
    gateway: Gateway, services: Services, position: int
) -> None:
    """Wherever in it the store is full; later changes come into force, and so does this one made smaller."""
    free = gateway.status()["store"]["free"]
    too_much = [o for n in range(APPS) for o in app(n, huge=n == position)]
    gateway.folder.write("apps.yaml", *too_much)
    waiting.until(lambda: _tells_full(gateway), 30, 0.1, why="a finding")
    gateway.apply(
        services.ingress("later", rule("later.example", path(f"/{position}", "web"))),
        name="later.yaml",
        timeout=30,
    )
    assert gateway.get("later.example", f"/{position}").status == 200
    assert gateway.get("steady.example").status == 200
    assert gateway.get(f"app{position}.full.example").status in {404, 503}
    gateway.folder.write("apps.yaml", *[o for n in range(APPS) for o in app(n, huge=False)])
    for n in range(APPS):
        gateway.eventually(f"app{n}.full.example", status=502, timeout=30)
    waiting.until(lambda: not _tells_full(gateway), 30, 0.1, why="no finding any more")
    gateway.folder.remove("apps.yaml")
    gateway.eventually(f"app{APPS - 1}.full.example", status=404, timeout=30)
    # What was refused has left nothing behind.
    waiting.until(lambda: gateway.status()["store"]["free"] >= free - 65536, 10, 0.1, why="room as before")


def _tells_full(gateway: Gateway) -> bool:
    done = gateway.run("findings", "--output", "json")
    return '"failed"' in done.stdout
