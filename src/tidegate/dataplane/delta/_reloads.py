"""When nginx is reloaded: seldom, coalesced, and so that nobody's churn makes the others wait.

A reload closes idle connections of clients, so there are three at once and then one per ten seconds. A namespace may
use two thirds of that: its own reloads run out before those of the node do. Profiles that nginx refuses are found by
halving. Pure: the time is given.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from typing import Final, TypeVar

COALESCE: Final = 0.2
"""Seconds that a reload waits for further reasons: the files of one change arrive within that."""

AT_ONCE: Final = 3
EVERY: Final = 10.0
"""Seconds after which one more reload is allowed."""

NAMESPACE_AT_ONCE: Final = 2
NAMESPACE_EVERY: Final = 15.0

_T = TypeVar("_T")


class Budget:
    """So many at once, then one in so many seconds."""

    def __init__(self, at_once: int, every: float) -> None:
        self._at_once = at_once
        self._every = every
        self._full_at = 0.0
        """When the whole budget is there again."""

    def wait(self, now: float) -> float:
        """Give the seconds until one more is allowed."""
        return max(0.0, self._full_at - now - (self._at_once - 1) * self._every)

    def is_whole(self, now: float) -> bool:
        """Tell whether nothing of the budget is used."""
        return self._full_at <= now

    def spend(self, now: float) -> None:
        """Use one."""
        self._full_at = max(self._full_at, now) + self._every


class Reloads:
    """Decides when the next reload is due."""

    def __init__(self) -> None:
        self._node = Budget(AT_ONCE, EVERY)
        self._shares: dict[str, Budget] = {}
        self._since: float | None = None

    def wait(
        self, missing: Mapping[str, Collection[str]], now: float, *, settings: bool = False
    ) -> float | None:
        """Give the seconds until a reload is due; None if there is no reason for one.

        `missing` are the profiles that routes wait for, with the namespaces of those routes; `settings` says that
        the node's own settings changed, which no namespace pays for.
        """
        if not missing and not settings:
            self._since = None
            return None
        if self._since is None:
            self._since = now
        share = 0.0 if settings else min(self._share(name).wait(now) for name in _names(missing))
        return max(self._since + COALESCE - now, self._node.wait(now), share, 0.0)

    def spend(self, missing: Mapping[str, Collection[str]], now: float) -> None:
        """Take that a reload is done now, with everything that is missing."""
        self._since = None
        self._node.spend(now)
        for name in _names(missing):
            # One whose share is used up rides along for nothing.
            if not self._share(name).wait(now):
                self._share(name).spend(now)
        self._shares = {n: share for n, share in self._shares.items() if not share.is_whole(now)}

    def _share(self, namespace: str) -> Budget:
        return self._shares.setdefault(namespace, Budget(NAMESPACE_AT_ONCE, NAMESPACE_EVERY))


def trials(new: Sequence[_T]) -> Generator[tuple[_T, ...], bool, tuple[_T, ...]]:
    """Give sets of new things to be tried, be sent whether each was taken; return those that are refused.

    The last set that was taken holds all the others. Call it after the whole was refused and nothing new was taken.
    """
    taken: list[_T] = []
    refused: list[_T] = []
    to_do = _halves(new)
    while to_do:
        part = to_do.pop()
        if (yield (*taken, *part)):
            taken += part
        elif len(part) == 1:
            refused += part
        else:
            to_do += _halves(part)
    return tuple(refused)


def _halves(part: Sequence[_T]) -> list[Sequence[_T]]:
    if len(part) < 2:
        return [part] if part else []
    middle = len(part) // 2
    return [part[middle:], part[:middle]]


def _names(missing: Mapping[str, Collection[str]]) -> set[str]:
    return {name for names in missing.values() for name in names}
