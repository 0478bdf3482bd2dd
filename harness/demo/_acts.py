"""The acts of the demo: each changes the shop under load and tells what happened."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from harness import waiting
from harness.demo._shop import HOST, Shop
from harness.ledger import Call, Ledger

CLIENTS, RATE = 32, 500
"""Clients that keep their connections (over TLS), and requests a second of all together."""

WEIGHT = 50
"""New weight of the canary, of 100; before it is the examples'."""


@dataclass(frozen=True, slots=True)
class Act:
    """What was done, and what came of it."""

    title: str
    result: str
    in_force: float | None
    """Milliseconds from the change of the file to the first request by it."""
    sent: int
    lost: int


def calm(shop: Shop) -> Act:
    """Only load, nothing changes: how requests are shared."""
    return _under_load(shop, "load alone", lambda seen: (None, f"canary has {_share(seen)}"))


def weight(shop: Shop) -> Act:
    """Give the canary half of the requests."""

    def change(seen: Counter[str]) -> tuple[float, str]:
        before = _share(seen)
        version = _version(shop)
        written = shop.set_weight(WEIGHT)
        taken = waiting.until(lambda: _version(shop) != version and time.monotonic() - written, 10, 0.001)
        seen.clear()
        time.sleep(2)
        return taken, f"canary had {before}, has {_share(seen)}"

    return _under_load(shop, f"canary weight → {WEIGHT}", change)


def certificate(shop: Shop) -> Act:
    """Renew the certificate."""

    def change(_: Counter[str]) -> tuple[float, str]:
        before = shop.shown()
        written = shop.renew_certificate(shop.authority.issue(HOST))
        waiting.until(lambda: shop.shown() == shop.pair.serial, 10, 0.001, why="the new certificate")
        taken = time.monotonic() - written
        return taken, f"serial …{before % 0x10000:04x} → …{shop.pair.serial % 0x10000:04x}"

    return _under_load(shop, "certificate renewed", change)


def rollout(shop: Shop) -> Act:
    """Replace all instances of the shop, one by one, as a Deployment does."""
    old = shop.of("web")

    def change(seen: Counter[str]) -> tuple[float, str]:
        slowest = 0.0
        for number, name in enumerate(old):
            fresh = shop.start(f"127.0.1.{101 + number}")
            shop.set_endpoints(shop.of("web"))
            waiting.until(lambda fresh=fresh: fresh.requests > 0, 10, 0.001, why="a request to the new one")  # type: ignore[misc]
            written = shop.set_endpoints([n for n in shop.of("web") if n != name])
            slowest = max(slowest, _quiet(shop, name) - written)
            shop.end(name)
        seen.clear()
        time.sleep(0.5)
        return slowest, f"{', '.join(old)} → {', '.join(sorted(n for n in seen if n.startswith('web-1')))}"

    return _under_load(shop, "rollout of 3 endpoints", change)


def _quiet(shop: Shop, name: str) -> float:
    """Wait until an instance has got no request for a while; give the moment at which it had got the last one."""
    backend = shop.instances[name]
    count, last = backend.requests, time.monotonic()
    while time.monotonic() - last < 0.3:
        if backend.requests != count:
            count, last = backend.requests, time.monotonic()
        time.sleep(0.001)
    return last


def _under_load(shop: Shop, title: str, change: Callable[[Counter[str]], tuple[float | None, str]]) -> Act:
    seen: Counter[str] = Counter()
    allowed = set(shop.of("web") + shop.of("web-next")) | {f"web-{n}" for n in range(101, 104)}
    call = Call(HOST, allowed=lambda: allowed, answered=lambda name: seen.update([name]))
    ledger = Ledger(shop.gateway.https_port, [call], clients=CLIENTS, rate=RATE, tls=shop.client())
    with ledger:
        time.sleep(1.5)
        taken, result = change(seen)
        time.sleep(0.5)
    milliseconds = None if taken is None else 1000 * taken
    return Act(title, result, milliseconds, ledger.outcomes.sent, ledger.outcomes.bad)


def _share(seen: Counter[str]) -> str:
    fresh = sum(n for name, n in seen.items() if name.startswith("web-next"))
    return f"{fresh / max(sum(seen.values()), 1):.0%}"


def _version(shop: Shop) -> int:
    return int(shop.gateway.status()["version"])
