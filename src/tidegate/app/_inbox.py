"""What the source told and the translator has not taken yet, in order; and what overtook it. Pure but for the waiting.

News of endpoints do not wait for a large batch that is only half taken. What waits may then hold older versions of
the same objects: those are left out when their turn comes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tidegate.kube.objects import Ref, Resource

Changes = list[tuple[Ref, Resource | None]]

MOST_WAITING: Final = 8
"""Batches that wait apart. More are made one, so that what waits never holds more than each object once or a few times."""

SMALL: Final = 8
"""Changes that may overtake others together."""

_ENDPOINTS: Final = frozenset({"EndpointSlice", "Endpoints"})


@dataclass(slots=True)
class Told:
    """Changes that belong together: a Service may stand beside the Ingress that needs it."""

    number: int
    """Rising in the order of telling."""
    changes: Changes
    initial: bool = False
    """The complete listing."""


class Inbox:
    """Changes that wait, for one who takes them."""

    def __init__(self) -> None:
        """Begin empty."""
        self._waiting: deque[Told] = deque()
        self._in_hand: Told | None = None
        self._last = 0
        self._overtaken: dict[Ref, int] = {}
        """Objects of which a newer version was taken, with the number of the last batch that is older."""
        self._some = asyncio.Event()

    @property
    def is_busy(self) -> bool:
        """Tell whether something waits or is only half taken."""
        return self._in_hand is not None or bool(self._waiting)

    def put(self, changes: Changes, *, initial: bool = False) -> None:
        """Take what was told now."""
        self._last += 1
        if len(self._waiting) >= MOST_WAITING and not self._waiting[-1].initial:
            # Once they are one, it is not known any more what of it is older than what overtook it.
            changes = list(dict([*self._left(self._waiting.pop()), *changes]).items())
        self._waiting.append(Told(self._last, changes, initial))
        self._some.set()

    def overtakes(self, changes: Changes, *, beside: bool = False) -> bool:
        """Tell whether changes are to be taken at once; what waits is then older than they are.

        ``beside``: there is other work, although nothing waits here.
        """
        if not (self.is_busy or beside) or not is_only_endpoints(changes):
            return False
        if self.is_busy:
            self._overtaken.update((ref, self._last) for ref, _ in changes)
        return True

    async def next(self) -> Told:
        """Wait for what was told first. It counts as half taken until ``done``."""
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        self._in_hand = self._waiting.popleft()
        return self._in_hand

    def slices(self, told: Told, size: int) -> Iterator[Changes]:
        """Give the changes a few at a time, without those that were overtaken by then."""
        for at in range(0, len(told.changes), size):
            yield self._fresh(told.number, told.changes[at : at + size])

    def done(self) -> None:
        """Take that what was in hand is taken."""
        self._in_hand = None
        if not self._waiting:
            self._overtaken.clear()

    def _left(self, told: Told) -> Changes:
        return self._fresh(told.number, told.changes)

    def _fresh(self, number: int, changes: Iterable[tuple[Ref, Resource | None]]) -> Changes:
        return [(ref, obj) for ref, obj in changes if self._overtaken.get(ref, 0) < number]


def is_only_endpoints(changes: Changes) -> bool:
    """Tell whether these are a few changes of nothing but endpoints."""
    return 0 < len(changes) <= SMALL and all(ref.kind in _ENDPOINTS for ref, _ in changes)
