"""How long a change of a file takes to be in force in every worker, and what it costs.

Time starts when ``rename`` has returned, so that the file is what it will be. Each worker is asked over a connection of
its own, again and again; a change is in force when every worker has answered by it.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench import _fleet, _report
from bench._edit_cost import edit_cost
from bench._report import Row, Told
from harness import http, manifests
from harness.bulk import Fleet
from harness.churn import Churn, Plan
from harness.gateway import Gateway
from harness.ledger import Call, Ledger
from harness.probe import Workers

PAUSE = 0.0002
"""Seconds between two questions to a worker: asking without pause would take the CPU from what is measured."""

WATCH = 0.05
"""Seconds for which an endpoint that is gone is watched for."""

RATE = 100
"""Changes a second of the churn beside."""

RESYNC = 4.0
"""Seconds from one resync to the next: about what one takes."""


@dataclass(frozen=True, slots=True)
class Size:
    idle: int
    churning: int
    changes: int
    removals: int
    resync: int
    rules: int
    edits: int


FULL, QUICK = Size(3_000, 5_000, 200, 100, 10_000, 10_000, 50), Size(100, 100, 10, 10, 200, 500, 5)


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Measure additions, removals, and the cost of one edit."""
    size = QUICK if quick else FULL
    names = [f"i{n}" for n in range(20)]
    with _fleet.instances(names) as instances:
        return _report.each(
            {
                "idle": lambda: _quiet(size, instances, told),
                "while others change": lambda: _churning(size, instances, told),
                "during a resync": lambda: _resyncing(size, instances, told),
                "cost of an edit": lambda: edit_cost(size.rules, size.edits, instances.listed()[0], told),
            }
        )


def _quiet(size: Size, instances: _fleet.Instances, told: Told) -> list[Row]:
    at = instances.listed()
    with _fleet.gateway(_fleet.idle(size.idle, at[0])) as gateway, Workers(gateway) as workers:
        told(f"{size.changes} new routes beside {size.idle:,} idle ones")
        additions = _additions(gateway, workers, at[1], size.changes)
        told(f"{size.removals} endpoints removed")
        removals = _removals(gateway, workers, instances, size.removals)
    return [
        *_times(f"new route right on every worker, {size.idle:,} routes idle", additions, 10),
        *_times("endpoint removed → no new request to it, idle", removals, 10),
    ]


def _churning(size: Size, instances: _fleet.Instances, told: Told) -> list[Row]:
    fleet = Fleet(size.churning, port=1, domain="churn.example", prefix="churn")
    plan = Plan(Path(), fleet, instances.listed(), RATE)
    told(f"loading {size.churning:,} routes that change")
    with ExitStack() as stack:
        gateway = stack.enter_context(_fleet.gateway(plan.files()))
        plan = replace(plan, folder=gateway.folder.path)
        workers = stack.enter_context(Workers(gateway))
        told(f"{size.changes} new routes while {size.churning:,} others change at {RATE}/s")
        names = list(instances.addresses)
        calls = [
            Call(fleet.host(i), allowed=_owners(names, i)) for i in random.sample(range(size.churning), 50)
        ]
        with Churn(plan) as churn, Ledger(gateway.http_port, calls, clients=50, rate=100) as ledger:
            time.sleep(0.5)
            additions = _additions(gateway, workers, instances.listed()[1], size.changes, pause=0.05)
        bad = ledger.outcomes.bad
        detail = f"{ledger.outcomes}; {churn.changes} changes beside"
    return [
        *_times(f"the same while {size.churning:,} other routes change at {RATE}/s", additions, 30),
        _report.exactly("wrong answers of those others", bad, 0, "", detail),
    ]


def _owners(names: list[str], number: int) -> Callable[[], set[str]]:
    own = {names[2 * number % len(names)], names[(2 * number + 1) % len(names)]}
    return lambda: own


def _resyncing(size: Size, instances: _fleet.Instances, told: Told) -> list[Row]:
    fleet = Fleet(size.resync, port=instances.listed()[0][1], address=instances.listed()[0][0])
    texts = [fleet.one_file().replace('read-timeout: "30"', f'read-timeout: "{30 + n}"') for n in range(2)]
    with _fleet.gateway([("fleet.yaml", texts[0])]) as gateway, Workers(gateway) as workers:
        told(f"{size.removals} endpoints removed while {size.resync:,} applications are read again and again")
        with _Resyncs(gateway, texts):
            removals = _removals(gateway, workers, instances, size.removals)
    return _times(f"the same during a full resync of {size.resync:,}", removals, 10)


class _Resyncs:
    """Rewrites a large file, with a change in every Ingress, again and again while the ``with`` block lasts."""

    def __init__(self, gateway: Gateway, texts: list[str]) -> None:
        self._folder, self._texts = gateway.folder, texts
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        for turn in itertools.count(1):
            self._folder.write_text("fleet.yaml", self._texts[turn % 2])
            if self._end.wait(RESYNC):
                return


def _additions(
    gateway: Gateway, workers: Workers, at: tuple[str, int], count: int, *, pause: float = 0.02
) -> list[float]:
    """Add new applications one by one; give the milliseconds until each is right on every worker."""
    fleet = Fleet(count, port=at[1], address=at[0], domain=f"new{time.monotonic_ns()}.example", prefix="new")
    taken = []
    for i in range(count):
        time.sleep(pause * (0.5 + random.random()))
        written = gateway.folder.write_text(f"new-{i}.yaml", fleet.application(i))
        taken.append(_until_all(workers, fleet.host(i), lambda r: r.status == 200) - written)
    return [1000 * t for t in taken]


def _until_all(workers: Workers, host: str, is_right: Callable[[http.Response], bool]) -> float:
    """Ask every worker until it answers right; give the moment when the last one did."""
    waiting, end = dict(workers.connections), time.monotonic() + 30
    while waiting:
        for pid, connection in list(waiting.items()):
            if is_right(connection.ask("/", host=host)):
                del waiting[pid]
        if time.monotonic() > end:
            raise TimeoutError(f"{host} is not right on workers {list(waiting)}")
        time.sleep(PAUSE)
    return time.monotonic()


def _removals(
    gateway: Gateway,
    workers: Workers,
    instances: _fleet.Instances,
    count: int,
) -> list[float]:
    """Take one of three endpoints away; give the milliseconds after which no request went to it any more."""
    names = list(instances.addresses)[:3]
    where = {n: instances.addresses[n] for n in names}
    port = where[names[0]][1]
    everyone = [a for a, _ in where.values()]
    _write_trio(gateway, port, everyone)
    _fleet.wait_for(gateway, "trio.example")
    taken = []
    for i in range(count):
        gone = names[i % 3]
        _write_trio(gateway, port, everyone)
        _until_seen(workers, names)
        time.sleep(0.02 * random.random())
        written = _write_trio(gateway, port, [a for a in everyone if a != where[gone][0]])
        taken.append(max(_last_sent_to(workers, gone) - written, 0))
    return [1000 * t for t in taken]


def _write_trio(gateway: Gateway, port: int, addresses: list[str]) -> float:
    if "trio.yaml" not in gateway.folder.names():
        rule = manifests.rule("trio.example", manifests.path("/", "trio"))
        gateway.folder.write("trio.yaml", manifests.ingress("trio", rule), manifests.service("trio"))
    return gateway.folder.write("trio-slice.yaml", manifests.endpoint_slice("trio", port, addresses))


def _until_seen(workers: Workers, names: list[str]) -> None:
    """Ask until each worker has sent requests to each instance."""
    end = time.monotonic() + 30
    for pid, connection in workers.connections.items():
        seen: Counter[str | None] = Counter()
        while not all(seen[n] for n in names):
            seen[connection.ask("/", host="trio.example").backend] += 1
            if time.monotonic() > end:
                raise TimeoutError(f"worker {pid} does not use all of {names}: {seen}")


def _last_sent_to(workers: Workers, gone: str) -> float:
    """Ask for a while; give the moment at which the last request was sent that ``gone`` answered (0: none)."""
    last, end = 0.0, time.monotonic() + WATCH
    while time.monotonic() < end:
        for connection in workers.connections.values():
            sent = time.monotonic()
            if connection.ask("/", host="trio.example").backend == gone:
                last, end = sent, sent + WATCH
        time.sleep(PAUSE)
    return last


def _times(measure: str, taken: list[float], limit: float) -> list[Row]:
    spread = f"p50 {_report.quantile(taken, 0.5):.1f} ms, max {max(taken):.1f} ms, n = {len(taken)}"
    return [_report.at_most(f"{measure}: p99", _report.quantile(taken, 0.99), limit, "ms", spread)]
