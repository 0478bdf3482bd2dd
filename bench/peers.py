"""Other gateways at the same job, each at its best, in one interleaved run: HAProxy, Envoy, Traefik, Caddy, and Tidegate.

The job: many hosts, each with an application of its own that has one endpoint; HTTP/1.1 with keepalive on both sides,
request ids and forwarded headers, one worker thread (one Go processor) on one core. How each is configured stands in
``_peers/``. CPU, changes and memory are measured side by side in turns, with all routes loaded; losses one gateway after
the other, with few routes, under clients that send at fixed times and retry nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench import _fleet, _peers, _report, _rounds, request_path
from bench._memory_of import MIB, pss
from bench._peers import HOT, Job, Peer
from bench._peers._peer import host
from bench._peers._tidegate import Tidegate
from bench._report import Row, Told
from harness import certs, http, nginx, peers, wrk
from harness.ledger import Call, Ledger, Outcomes


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    routes: int
    rounds: int
    seconds: int
    changes: int
    edits: int
    restarts: int


FULL, QUICK = Size(5_000, 8, 2, 20, 100, 20), Size(20, 1, 1, 2, 5, 1)
FEW = 100
"""Routes while losses are measured."""
RATE = 500
"""Requests a second of all clients together, while losses are measured."""


@dataclass(slots=True)
class _Found:
    """What one gateway was measured at."""

    added: list[float] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    memory: float = 0
    control: float = 0


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Measure side by side what can be, then losses."""
    size = QUICK if quick else FULL
    kinds, made = _obtainable(told)
    with _fleet.instances(["a", "b"], size=1024, cores={_rounds.LOAD_CORE}) as instances:
        job = Job(size.routes, instances.addresses)
        made += _report.each({"side by side": lambda: _side_by_side(kinds, job, size, told)})
        few = Job(min(FEW, size.routes), instances.addresses)
        losses = {k.title: (lambda k=k: _losses(k, few, size, told)) for k in kinds}
        return made + _report.each(losses)


def _obtainable(told: Told) -> tuple[list[type[Peer]], list[Row]]:
    """Give the gateways that can be had, and a row with the version of each, or why it is left out."""
    kinds, made = [], []
    for kind in _peers.ALL:
        told(f"looking for {kind.title}")
        try:
            version = peers.version(kind.program) if kind.program else "this checkout"
        except (peers.NotHere, OSError) as e:
            made.append(_report.stated(f"{kind.title}: left out", "skipped", "", str(e)))
            continue
        kinds.append(kind)
        made.append(_report.stated(f"{kind.title}: version", version, "", (kind.__doc__ or "").rstrip(".")))
    return kinds, made


# --- side by side -----------------------------------------------------------------------------------------------------


def _side_by_side(kinds: Sequence[type[Peer]], job: Job, size: Size, told: Told) -> Iterator[Row]:
    address, port = job.instances[job.first]
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(
            request_path.bare_nginx(port, certs.Authority().issue(host("*")), address=address)
        )
        running = []
        for kind in kinds:
            told(f"starting {kind.title} with {job.routes:,} routes")
            running.append(stack.enter_context(kind(job)))
        found = {p.title: _Found() for p in running}
        _warm(running, job, told)
        for peer in running:
            found[peer.title].memory = pss(peer.everything())["Pss"] / MIB
            if isinstance(peer, Tidegate):
                found[peer.title].control = pss(peer.control())["Pss"] / MIB
        costs = _cpu(bare, running, size, told)
        for number in range(size.changes):
            told(f"change {number + 1} of {size.changes}")
            for peer in running:
                _change(peer, f"new{number}", found[peer.title])
    yield from _cpu_rows(costs)
    for title, f in found.items():
        yield _times(f"{title}: new route visible, {job.routes:,} routes: p50", f.added)
    for title, f in found.items():
        yield _times(f"{title}: endpoint changed, {job.routes:,} routes: p50", f.moved)
    for title, f in found.items():
        detail = f"its controller and keeper besides: {f.control:.0f} MiB" if f.control else ""
        yield _report.stated(
            f"{title}: memory, {job.routes:,} routes each asked once", f.memory, "MiB", detail
        )


def _warm(running: Sequence[Peer], job: Job, told: Told) -> None:
    """Ask each route once, and make sure that all answer alike: wrong answers are cheap."""
    for peer in running:
        told(f"asking {peer.title} for each route")
        connection = http.Connection(peer.port)
        for name in job.hosts():
            answer = connection.ask("/", host=host(name))
            if answer.status != 200 or len(answer.body) != 1024:
                raise RuntimeError(f"{peer.title}: {name} answers {answer.status}")
            if (answer.get("Connection") or "").lower() == "close":
                connection.close()
                connection = http.Connection(peer.port)
        connection.close()


def _cpu(bare: nginx.Nginx, running: Sequence[Peer], size: Size, told: Told) -> list[_rounds.Costs]:
    asked = [("GET", "/", {"Host": host(HOT)})]
    setups = [
        _rounds.Setup(
            "bare nginx", tuple(bare.workers), wrk.Target(f"http://127.0.0.1:{bare.ports()[0][0]}", asked)
        )
    ]
    setups += [
        _rounds.Setup(p.title, tuple(p.pids()), wrk.Target(f"http://127.0.0.1:{p.port}", asked))
        for p in running
    ]
    return _rounds.measure(setups, rounds=size.rounds, seconds=size.seconds, told=told)


def _cpu_rows(costs: Sequence[_rounds.Costs]) -> Iterator[Row]:
    for c in costs:
        errors, requests = sum(r.errors for r in c.rounds), sum(r.requests for r in c.rounds)
        yield _report.stated(
            f"{c.name}: CPU per request",
            c.median("total"),
            "µs",
            f"user {c.pooled('user'):.1f}, system {c.pooled('system'):.1f}; {c.ratio(costs[0], 'total')} of bare nginx; "
            f"{requests:,} requests, {errors} errors; core used by others at most {max(r.foreign for r in c.rounds):.0%}",
        )


def _change(peer: Peer, name: str, found: _Found) -> None:
    """Add a route, then let its endpoint be another; note the milliseconds until a request sees it."""
    first, second = list(peer.job.instances)[:2]
    start = time.monotonic()
    peer.add(name, first)
    peer.wait(name, first)
    found.added.append(1000 * (time.monotonic() - start))
    start = time.monotonic()
    peer.move(name, second)
    peer.wait(name, second)
    found.moved.append(1000 * (time.monotonic() - start))


def _times(measure: str, taken: Sequence[float]) -> Row:
    return _report.stated(
        measure, _report.quantile(taken, 0.5), "ms", f"max {max(taken):.1f} ms, n = {len(taken)}"
    )


# --- losses -----------------------------------------------------------------------------------------------------------


def _losses(kind: type[Peer], job: Job, size: Size, told: Told) -> Iterator[Row]:
    first, second = list(job.instances)[:2]
    with kind(job) as peer:
        with _clients(peer, job) as ledger:
            for number in range(size.edits):
                told(f"{kind.title}: edit {number + 1} of {size.edits}")
                if number % 2:
                    peer.move(f"edit{number - 1}", second)
                else:
                    peer.add(f"edit{number}", first)
                time.sleep(0.1)
        peer.wait(f"edit{(size.edits - 1) // 2 * 2}", second if size.edits % 2 == 0 else first)
        yield _lost(f"{kind.title}: lost in {size.edits} route edits, ten a second", ledger.outcomes)
        with _clients(peer, job) as ledger:
            for number in range(size.restarts):
                told(f"{kind.title}: restart {number + 1} of {size.restarts}")
                peer.restart()
                time.sleep(0.5)
        peer.wait(HOT, first)
        yield _lost(f"{kind.title}: lost in {size.restarts} restarts", ledger.outcomes)


@contextlib.contextmanager
def _clients(peer: Peer, job: Job) -> Iterator[Ledger]:
    with Ledger(peer.port, [Call(host(name)) for name in job.hosts()[:32]], rate=RATE) as ledger:
        time.sleep(0.5)
        yield ledger
        time.sleep(0.5)


def _lost(measure: str, outcomes: Outcomes) -> Row:
    return _report.stated(measure, outcomes.bad, "", f"{outcomes}; slowest {1000 * outcomes.slowest:.0f} ms")
