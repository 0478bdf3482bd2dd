"""Long work in short slices: a generator that pauses often is run here, in one go or with the event loop in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from time import perf_counter
from typing import Final, TypeVar

_Result = TypeVar("_Result")

SLICE_SECONDS: Final = 0.0003
"""How long the event loop is kept at a time. Much less than is allowed: news of endpoints pass between the slices of
other work, a slice at each of about ten steps."""

URGENT_SECONDS: Final = 0.02
"""How long something urgent holds up long work at most: if it takes longer, nothing here is to blame for it."""


def finish(work: Generator[None, None, _Result]) -> _Result:
    """Run the work to its end and give its result."""
    while True:
        try:
            next(work)
        except StopIteration as e:
            result: _Result = e.value
            return result


class Priority:
    """What is urgent goes first: long work waits at its next pause while something urgent is on its way."""

    def __init__(self) -> None:
        """Begin with nothing urgent."""
        self._until: dict[str, float] = {}
        self._over = asyncio.Event()

    def begin(self, where: str) -> None:
        """Say that something urgent is at a place on its way; it may be at several at once."""
        if where not in self._until:
            self._until[where] = perf_counter() + URGENT_SECONDS
            self._over.clear()

    def end(self, where: str) -> None:
        """Say that nothing urgent is there any more."""
        self._until.pop(where, None)
        if not self._until:
            self._over.set()

    async def give_way(self) -> None:
        """Let all others have a turn, and what is urgent as many as it needs."""
        await asyncio.sleep(0)
        if not self._until:
            return
        left = max(self._until.values()) - perf_counter()
        if left > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._over.wait()


class Pace:
    """Lets the event loop run whenever a slice of time is used up. One for all the work of a task."""

    def __init__(self, priority: Priority | None = None) -> None:
        """Take what decides who goes first."""
        self._priority = priority or Priority()
        self._until = perf_counter() + SLICE_SECONDS

    async def rest(self) -> None:
        """Give way if it is time."""
        if perf_counter() > self._until:
            await self._priority.give_way()
            self._until = perf_counter() + SLICE_SECONDS

    async def run(self, work: Generator[None, None, _Result]) -> _Result:
        """Run the work to its end, giving way whenever it is time, and give its result."""
        while True:
            try:
                next(work)
            except StopIteration as e:
                result: _Result = e.value
                return result
            if perf_counter() > self._until:
                await self._priority.give_way()
                self._until = perf_counter() + SLICE_SECONDS
