"""CPU per request of several nginx set-ups, measured in interleaved rounds within one run.

The worker under test has one core for itself; load and backend share another. Ratios are made within a round,
against the first set-up of the same round, and the median over rounds is what counts: drift of the machine
hits both alike.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness import cpu, wrk

Runner = Callable[..., wrk.Load]
"""Takes a target with ``seconds``, ``connections`` and ``cores``, as ``wrk.run`` and ``h2load.run`` do."""

WORKER_CORE = 0
LOAD_CORE = 1


@dataclass(frozen=True, slots=True)
class Setup:
    """One thing to measure: worker pids and what to send."""

    name: str
    workers: tuple[int, ...]
    target: wrk.Target
    load: Runner = wrk.run
    """Sends it."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU of one round."""

    requests: int
    user: float
    """Microseconds per request, as all below."""
    system: float
    errors: int
    foreign: float
    """Share of the worker's core that something else used; a round with much of it says little."""

    @property
    def total(self) -> float:
        return self.user + self.system


@dataclass(slots=True)
class Costs:
    """All rounds of one set-up."""

    name: str
    rounds: list[Cost] = field(default_factory=list)

    def median(self, what: str) -> float:
        """Give the median of ``user``, ``system`` or ``total``."""
        return float(statistics.median(getattr(c, what) for c in self.rounds))

    def pooled(self, what: str) -> float:
        """Give microseconds per request over all rounds together."""
        return float(
            sum(getattr(c, what) * c.requests for c in self.rounds) / sum(c.requests for c in self.rounds)
        )

    def ratio(self, base: Costs, what: str) -> Ratio:
        """Give this over ``base``, round by round."""
        each = sorted(
            getattr(mine, what) / getattr(other, what)
            for mine, other in zip(self.rounds, base.rounds, strict=True)
        )
        quarter = max(len(each) // 4, 0)
        return Ratio(statistics.median(each), each[quarter], each[-1 - quarter])


@dataclass(frozen=True, slots=True)
class Ratio:
    """A median with the quartiles around it."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.2f}…{self.high:.2f})"


def _quiet(_: str) -> None:
    return None


def measure(
    setups: Sequence[Setup],
    *,
    rounds: int,
    seconds: int,
    connections: int = 32,
    told: Callable[[str], None] = _quiet,
) -> list[Costs]:
    """Load each set-up once per round, in turning order; a warm-up round before is not counted."""
    costs = [Costs(s.name) for s in setups]
    for setup in setups:
        setup.load(setup.target, seconds=1, connections=connections, cores=[LOAD_CORE])
    for number in range(rounds):
        told(f"round {number + 1} of {rounds}")
        for i in range(len(setups)):
            at = (i + number) % len(setups)
            costs[at].rounds.append(_once(setups[at], seconds, connections))
    return costs


def _once(setup: Setup, seconds: int, connections: int) -> Cost:
    before, busy = cpu.read(setup.workers), cpu.core_busy(WORKER_CORE)
    load = setup.load(setup.target, seconds=seconds, connections=connections, cores=[LOAD_CORE])
    used = cpu.read(setup.workers).since(before)
    foreign = max(cpu.core_busy(WORKER_CORE) - busy - used.total, 0) / load.seconds
    micro = 1e6 / max(load.requests, 1)
    return Cost(load.requests, used.user * micro, used.system * micro, load.errors, foreign)
