"""Long work in short slices: a generator that pauses often is run here, in one go or with the event loop in between."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from time import perf_counter
from typing import Final, TypeVar

_Result = TypeVar("_Result")

SLICE_SECONDS: Final = 0.0003
"""How long the event loop is kept at a time. Much less than is allowed: news of endpoints pass between the slices of
other work, a slice at each of about ten steps."""


def finish(work: Generator[None, None, _Result]) -> _Result:
    """Run the work to its end and give its result."""
    while True:
        try:
            next(work)
        except StopIteration as e:
            result: _Result = e.value
            return result


class Pace:
    """Lets the event loop run whenever a slice of time is used up. One for all the work of a task."""

    def __init__(self) -> None:
        self._until = perf_counter() + SLICE_SECONDS

    async def rest(self) -> None:
        """Give way if it is time."""
        if perf_counter() > self._until:
            await asyncio.sleep(0)
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
                await asyncio.sleep(0)
                self._until = perf_counter() + SLICE_SECONDS
