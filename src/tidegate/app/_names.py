"""Which names have to be resolved when. Pure: the time is given, and so are DNS's answers."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

LEAST_TTL: Final = 1.0
MOST_TTL: Final = 60.0
"""Seconds that an answer is believed: less would be a flood of queries, more would miss a change for long."""

FIRST_RETRY: Final = 1.0
LAST_RETRY: Final = 30.0
"""Seconds after a failure; doubled each time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What DNS says about a name."""

    addresses: tuple[str, ...]
    """Sorted, each once; empty if the name has none."""
    ttl: float
    """Seconds."""


@dataclass(slots=True)
class _Name:
    failures: int = 0
    is_asked: bool = False
    due: float = 0.0


@dataclass(slots=True)
class Schedule:
    """The names that are wanted, each with the time of its next query."""

    _names: dict[str, _Name] = field(default_factory=dict)
    _heap: list[tuple[float, str]] = field(default_factory=list)

    def want(self, names: Iterable[str], now: float) -> None:
        """Take the names that are wanted from now on: new ones are due at once, others are forgotten."""
        wanted = set(names)
        for name in self._names.keys() - wanted:
            del self._names[name]
        for name in sorted(wanted - self._names.keys()):
            self._names[name] = _Name()
            self._plan(name, now)

    def due(self, now: float) -> list[str]:
        """Give the names to be asked for now; each is given once until it was answered."""
        found: list[str] = []
        while self._heap and self._heap[0][0] <= now:
            when, text = heapq.heappop(self._heap)
            name = self._names.get(text)
            if name is not None and name.due == when and not name.is_asked:
                name.is_asked = True
                found.append(text)
        return found

    def wait(self) -> float | None:
        """Give the time of the next query; None if there is none."""
        return self._heap[0][0] if self._heap else None

    def answered(self, text: str, answer: Answer | None, now: float) -> bool:
        """Take an answer, or None for a failure; tell whether anybody still wants it."""
        name = self._names.get(text)
        if name is None:
            return False
        name.is_asked = False
        name.failures = 0 if answer else name.failures + 1
        if answer:
            pause = min(max(answer.ttl, LEAST_TTL), MOST_TTL)
        else:
            pause = min(FIRST_RETRY * 2 ** min(name.failures - 1, 10), LAST_RETRY)
        self._plan(text, now + pause)
        return True

    def _plan(self, text: str, when: float) -> None:
        self._names[text].due = when
        heapq.heappush(self._heap, (when, text))
