"""How many lines there should be and how many there are.

Workers tell how many lines they handed to nginx's log; the reader knows how many came. A worker tells before its last lines
are in the pipe, so the two are compared only with what was told a while ago. What this says is never too much for long, and
right once the traffic pauses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from tidegate.dataplane.access_log._framing import Mark

SETTLED_SECONDS = 3.0
"""nginx's buffers are written after half a second at most."""

_MOST_WORKERS = 1000
"""Workers whose counts are kept; those of workers long gone are summed up."""


class Account:
    """Lines of HTTP requests: told and received."""

    def __init__(self, kept: Mapping[str, Any] | None = None) -> None:
        """Go on from what `kept` says, if anything."""
        kept = kept or {}
        self.received: int = kept.get("received", 0)
        self.lost: int = kept.get("lost", 0)
        """Lines that never came out of the pipe. It never falls."""
        self._told: dict[str, int] = dict(kept.get("told", {}))
        self._summed: int = kept.get("summed", 0)
        self._samples: deque[tuple[float, int]] = deque()

    def take(self, marks: list[Mark], received: int, now: float) -> None:
        """Note what workers told and what came."""
        self.received += received
        for mark in marks:
            if mark.worker not in self._told and mark.lines > 0:
                # It worked before anybody counted: what it wrote then is neither here nor there.
                self._summed -= mark.lines
            self._told[mark.worker] = max(mark.lines, self._told.get(mark.worker, 0))
        if marks:
            self._samples.append((now, self.told))
        while len(self._told) > _MOST_WORKERS:
            self._summed += self._told.pop(next(iter(self._told)))

    @property
    def told(self) -> int:
        """Lines that workers told of."""
        return sum(self._told.values()) + self._summed

    def settle(self, now: float) -> int:
        """Compare, when the pipe is empty; give by how many lines more than before are lost."""
        due = None
        while self._samples and self._samples[0][0] <= now - SETTLED_SECONDS:
            due = self._samples.popleft()[1]
        if due is None:
            return 0
        more = max(0, due - self.received - self.lost)
        self.lost += more
        return more

    def kept(self) -> dict[str, Any]:
        """Give what a next reader needs to go on."""
        return {"received": self.received, "lost": self.lost, "told": self._told, "summed": self._summed}
