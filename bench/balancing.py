"""How requests are spread: evenness in the small, a slow endpoint under EWMA, sessions when endpoints change."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench import _fleet, _report
from bench._report import Row, Told
from harness import crowd, http, manifests
from harness.backends import Backend, Backends
from harness.gateway import Gateway
from harness.ledger import Call, Ledger

WORKERS, ENDPOINTS, REQUESTS = 4, 50, 400
FULL, QUICK = (20, 1000, 15.0), (2, 60, 3.0)
"""Rounds of the evenness; sessions; seconds of each half of the EWMA measurement."""

RATE, CLIENTS = 200, 128
"""Requests a second under EWMA, and the clients that send them: enough that those at the slow endpoint hold nobody up."""

SLOW = 2.0
"""Seconds that the slow endpoint takes."""

LEARNING = 3.0
"""Seconds after it has become slow that are counted apart."""


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Measure each on a gateway of its own."""
    rounds, sessions, seconds = QUICK if quick else FULL
    with Backends() as pool:
        return _report.each(
            {
                "evenness": lambda: _evenness(pool, rounds, told),
                "EWMA": lambda: _ewma(pool, seconds, told),
                "sessions, persistent": lambda: _sessions(pool, "persistent", sessions, told),
                "sessions, balanced": lambda: _sessions(pool, "balanced", sessions, told),
            }
        )


def _write(gateway: Gateway, instances: Sequence[Backend], name: str = "web", **annotations: object) -> None:
    """Put instances behind web.example, or another name, and wait until that is in force."""
    notes = {name.replace("_", "-"): value for name, value in annotations.items()}
    version = gateway.status()["version"]
    gateway.folder.write(
        f"{name}.yaml",
        manifests.service(name),
        manifests.endpoint_slice(name, instances[0].port, [b.address for b in instances]),
        manifests.ingress(
            name, manifests.rule(f"{name}.example", manifests.path("/", name)), annotations=notes
        ),
    )
    end = time.monotonic() + 10
    while gateway.status()["version"] == version and time.monotonic() < end:
        time.sleep(0.002)


def _evenness(pool: Backends, rounds: int, told: Told) -> list[Row]:
    instances = pool.group("even", ENDPOINTS + 1)
    made = []
    with _fleet.gateway(config={"worker-processes": str(WORKERS)}, access_log=False) as gateway:
        _write(gateway, instances)
        _fleet.wait_for(gateway, "web.example")
        for share in (0.0, 0.9):
            worst = 0
            for number in range(rounds):
                told(
                    f"evenness, {share:.0%} of the requests on one connection: round {number + 1} of {rounds}"
                )
                _write(gateway, [b for b in instances if b is not instances[number % len(instances)]])
                found = crowd.ask(gateway.http_port, "web.example", REQUESTS, share, seed=number)
                least = min(found.values()) if len(found) == ENDPOINTS else 0
                worst = max(worst, max(found.values()) - least)
            skew = "90 % on one worker" if share else "over all"
            made.append(
                _report.at_most(
                    f"round robin: {WORKERS} workers, {ENDPOINTS} endpoints, {REQUESTS} requests {skew}, max - min",
                    worst,
                    4,
                    "",
                    f"worst of {rounds} rounds, each right after an endpoint change",
                )
            )
    return made


def _ewma(pool: Backends, seconds: float, told: Told) -> list[Row]:
    """Beside ten endpoints of which one becomes slow, nine that stay fast: what else slows all down shows in both."""
    instances, control = pool.group("load", 10), pool.group("control", 9)
    slow = instances[0]
    seen: list[tuple[float, str, float]] = []
    calls = [
        Call(host, timed=lambda name, took: seen.append((time.monotonic(), name, took)))
        for host in ("web.example", "control.example")
    ]
    with _fleet.gateway(access_log=False) as gateway:
        _write(gateway, control, "control", load_balance="ewma")
        _write(gateway, instances, load_balance="ewma")
        _fleet.wait_for(gateway, "web.example")
        with Ledger(gateway.http_port, calls, clients=2 * CLIENTS, rate=2 * RATE) as ledger:
            told("EWMA: all endpoints fast")
            time.sleep(seconds)
            turned, before = time.monotonic(), slow.requests
            slow.delay = SLOW
            told("EWMA: one of ten is slow")
            time.sleep(LEARNING)
            learned, between = time.monotonic(), slow.requests
            time.sleep(seconds)
            asked = slow.requests - between
    return [
        *_shares(seen, slow.id, turned, learned, asked, between - before),
        _report.exactly("EWMA: requests lost", ledger.outcomes.bad, 0, "", str(ledger.outcomes)),
    ]


def _shares(
    seen: list[tuple[float, str, float]], slow: str, turned: float, learned: float, asked: int, between: int
) -> list[Row]:
    ours = [entry for entry in seen if entry[1].startswith("load")]
    before = [name for at, name, _ in ours if at < turned]
    rest = [took for at, name, took in ours if at > learned and name != slow]
    control = [took for at, name, took in seen if at > learned and name.startswith("control")]
    old, new = before.count(slow) / len(before), asked / (len(rest) + asked)
    p99, beside = _report.quantile(rest, 0.99), _report.quantile(control, 0.99)
    return [
        _report.at_least(
            f"EWMA: one of 10 endpoints takes {SLOW:g} s, its share falls by",
            100 * (1 - new / old),
            80,
            "%",
            f"from {old:.1%} to {new:.2%}; {between} requests in the {LEARNING:g} s between",
        ),
        _report.at_most(
            "EWMA: p99 of the other endpoints, beside a backend with none that is slow",
            p99 / beside,
            1.25,
            _report.TIMES,
            f"{p99 * 1000:.2f} ms, {beside * 1000:.2f} ms; each at {RATE} requests a second",
        ),
    ]


def _sessions(pool: Backends, mode: str, count: int, told: Told) -> list[Row]:
    instances = pool.group(mode, 11)
    notes = {"affinity": "cookie", "affinity_mode": mode}
    with _fleet.gateway(config={"worker-processes": "3"}, access_log=False) as gateway:
        _write(gateway, instances[:10], **notes)
        _fleet.wait_for(gateway, "web.example")
        told(f"{count} {mode} sessions")
        begun = [_begin(gateway) for _ in range(count)]
        _write(gateway, instances, **notes)
        added = _moved(gateway, begun)
        _write(gateway, instances[:10], **notes)
        _write(gateway, instances[1:10], **notes)
        removed = _moved(gateway, begun)
    own = {number for number, (_, name) in enumerate(begun) if name == instances[0].id}
    what = f"sticky, {mode}, 3 workers, {count:,} sessions: endpoint"
    even = f"a fair share is {1 / 11:.1%}"
    return [
        _report.exactly(f"{what} added, sessions moved", len(added), 0, "")
        if mode == "persistent"
        else _report.stated(f"{what} added, sessions moved", 100 * len(added) / count, "%", even),
        _report.exactly(
            f"{what} removed, others' sessions moved", len(removed - own), 0, "", f"its own: {len(own)}"
        ),
    ]


def _begin(gateway: Gateway) -> tuple[str, str]:
    answer = gateway.get("web.example")
    return (answer.get("Set-Cookie") or "").partition(";")[0], str(answer.backend)


def _moved(gateway: Gateway, begun: list[tuple[str, str]]) -> set[int]:
    """Ask once in each session, over a few kept connections; give the numbers of those that another instance answered."""
    moved = set()
    connections = [http.Connection(gateway.http_port) for _ in range(9)]
    for number, (cookie, name) in enumerate(begun):
        connection = connections[number % len(connections)]
        if connection.ask("/", host="web.example", headers=[("Cookie", cookie)]).backend != name:
            moved.add(number)
    for connection in connections:
        connection.close()
    return moved
