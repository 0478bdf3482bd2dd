"""CPU time of processes, exactly where the kernel knows it exactly, and pinning.

The total comes from the scheduler (nanoseconds). The kernel only samples which part of it was user time, so a
split needs some seconds of load behind it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Times:
    """CPU seconds, in user code and in the kernel."""

    user: float
    system: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.user + self.system

    def __sub__(self, other: Times) -> Times:
        """Give what was used between two readings."""
        return Times(self.user - other.user, self.system - other.system)

    def __add__(self, other: Times) -> Times:
        """Give what two processes used."""
        return Times(self.user + other.user, self.system + other.system)


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters of one process (or several, added) at one moment."""

    ticks: Times
    exact: float
    """Seconds on a CPU, from the scheduler."""

    def since(self, before: Reading) -> Times:
        """Give the time used since: the exact total, split as the ticks say."""
        ticks = self.ticks - before.ticks
        exact = self.exact - before.exact
        share = ticks.user / ticks.total if ticks.total else 0.0
        return Times(exact * share, exact * (1 - share))


def read(pids: Iterable[int]) -> Reading:
    """Read the counters of processes and add them up."""
    total, exact = Times(0, 0), 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += Times(int(fields[11]) / _TICK, int(fields[12]) / _TICK)
        exact += _exact(pid)
    return Reading(total, exact)


def _exact(pid: int) -> float:
    """Give the seconds that all threads of a process have been on a CPU: its own file tells of the first alone."""
    files = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def core_busy(core: int) -> float:
    """Give the seconds that a core has spent on anything since boot, in whole ticks."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *values = line.split()
        if name == f"cpu{core}":
            user, nice, system, _, _, irq, softirq, steal = (int(v) for v in values[:8])
            return (user + nice + system + irq + softirq + steal) / _TICK
    raise ValueError(f"no core {core}")


def pin(pids: Iterable[int], cores: set[int]) -> None:
    """Let processes run on these cores only."""
    for pid in pids:
        os.sched_setaffinity(pid, cores)


def family(pid: int) -> list[int]:
    """Give a process and all its descendants."""
    found = [pid]
    for member in found:
        try:
            found += children(member)
        except FileNotFoundError:
            continue
    return found


def children(pid: int) -> list[int]:
    """Give the pids of a process's children."""
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident(pid: int) -> int:
    """Give the bytes of memory that a process has for itself."""
    _, whole, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    return (int(whole) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
