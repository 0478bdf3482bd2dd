"""What nginx has refused, and when it is tried again: later each time. Pure; the time is given.

The same words may be refused today and taken tomorrow: a library was updated, a file that they name came.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

FIRST_SECONDS: Final = 60.0
LONGEST_SECONDS: Final = 1800.0
"""Between two trials of one thing. Each takes nginx some tenths of a second, and traffic notices nothing."""


class Quarantine:
    """Names of what is refused, with the time of the next trial."""

    def __init__(self, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> None:
        """Take the seconds until the first trial, doubled with each, and the most."""
        self._first = first
        self._longest = longest
        self._pauses: dict[str, float] = {}
        self._until: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._until

    def add(self, name: str, now: float) -> None:
        """Take that something was refused (again)."""
        pause = self._pauses.get(name, 0.0)
        self._pauses[name] = min(2 * pause or self._first, self._longest)
        self._until[name] = now + self._pauses[name]

    def accept(self, names: Container[str]) -> list[str]:
        """Take that some are taken now: the next refusal of one would be its first. Gives those that were refused."""
        return self._forget([name for name in self._pauses if name in names])

    def keep(self, wanted: Container[str]) -> list[str]:
        """Forget all but those that are wanted; give the forgotten."""
        return self._forget([name for name in self._pauses if name not in wanted])

    def release(self, now: float) -> list[str]:
        """Let those out whose time has come, for a trial; give them."""
        due = [name for name, at in self._until.items() if at <= now]
        for name in due:
            del self._until[name]
        return due

    def wait(self, now: float) -> float | None:
        """Give the seconds until the next trial; None if nothing is refused."""
        return max(0.0, min(self._until.values()) - now) if self._until else None

    def _forget(self, names: list[str]) -> list[str]:
        for name in names:
            self._pauses.pop(name, None)
            self._until.pop(name, None)
        return names
