"""What was touched and waits to be looked at. Pure but for the clock that it is given.

The newest news come first: after ten thousand files have changed at once, one that changes now does not wait for them. What
one read of the kernel's queue brought stays together, so that both ends of a rename are dealt with at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from tidegate.sources._watching import News, What

GONE_GRACE_SECONDS: Final = 0.002
"""How long a file may be away before it counts as gone: tools that remove a file and write it anew take less."""


ARRIVAL_SECONDS: Final = 2.0
"""How long a new file may be written to before it is looked at all the same. Usually its writer closes it at once; some ways
of putting a file in place tell nothing more than that it came.
"""


class Group:
    """Paths that were touched together."""

    def __init__(self, present: Iterable[str] = (), *, everything: bool = False) -> None:
        self.present: dict[str, None] = dict.fromkeys(present)
        """Written or come, in the order of the news."""
        self.gone: dict[str, None] = {}
        """Away for good, unless they are there."""
        self.everything = everything
        """Anything may have changed."""

    def __bool__(self) -> bool:
        return bool(self.present or self.gone or self.everything)


class Queue:
    """Groups to be looked at, and paths that are on their way or away."""

    def __init__(
        self,
        touched: Callable[[int, str], Iterable[str]],
        lost: Callable[[int], Iterable[str]],
        settled: Callable[[str], bool],
    ) -> None:
        """Take how a watch and a name become paths, what depended on a watch, and what is complete without being closed."""
        self._touched = touched
        self._lost = lost
        self._settled = settled
        self._groups: list[Group] = []
        self._put_off: list[Group] = []
        """Those that are to be dealt with after the work at hand."""
        self._away: dict[str, float] = {}
        """Paths seen to go, with the time at which they count as gone."""
        self._arriving: dict[str, float] = {}
        """Paths that came and are still written to, with the time at which they are looked at all the same."""

    def add(self, news: Iterable[News], now: float) -> None:
        """Take what the kernel had queued."""
        group = Group()
        moves: dict[int, list[str]] = {}
        for one in news:
            if one.what is What.OVERFLOW:
                group.everything = True
                continue
            lost = one.what is What.LOST
            for path in sorted(self._lost(one.watch) if lost else self._touched(one.watch, one.name)):
                if one.what is What.GONE:
                    self._leave(path, group, now)
                    moves.setdefault(one.cookie, []).append(path)
                else:
                    self._come(one, path, group, now)
                    for source in moves.pop(one.cookie, ()) if one.cookie else ():
                        self._moved(source, group)
        if group:
            self._groups.append(group)

    def look_at(self, paths: Iterable[str]) -> None:
        """Have paths looked at."""
        group = Group(paths)
        if group:
            self._groups.append(group)

    def missing(self, path: str, now: float) -> None:
        """Take that a path was not there when looked at: gone, unless it comes back very soon."""
        self._away.setdefault(path, now + GONE_GRACE_SECONDS)

    def next(self, now: float) -> Group | None:
        """Give the newest group, or what has been away or on its way for long enough; None if there is nothing to do."""
        for groups in (self._groups, self._put_off):
            if groups:
                return groups.pop()
        group = Group(_due(self._arriving, now))
        for path in _due(self._away, now):
            if path not in self._arriving:
                group.gone[path] = None
        return group or None

    def overtaking(self) -> Group | None:
        """Take out the newest group that was not put off."""
        return self._groups.pop() if self._groups else None

    def put_off(self, group: Group) -> None:
        """Take a group back that cannot be dealt with beside the work at hand."""
        self._put_off.append(group)

    def delay(self, now: float) -> float | None:
        """Give the seconds until something has to be done, None if nothing waits."""
        if self._groups or self._put_off:
            return 0.0
        times = [*self._away.values(), *self._arriving.values()]
        return max(0.0, min(times) - now) if times else None

    def _leave(self, path: str, group: Group, now: float) -> None:
        group.present.pop(path, None)
        self._arriving.pop(path, None)
        self._away[path] = now + GONE_GRACE_SECONDS

    def _moved(self, source: str, group: Group) -> None:
        """Take that a path that went is known to be elsewhere: it need not be waited for."""
        if self._away.pop(source, None) is not None:
            group.gone[source] = None

    def _come(self, one: News, path: str, group: Group, now: float) -> None:
        if one.what is What.CREATED and not self._settled(path):
            self._arriving.setdefault(path, now + ARRIVAL_SECONDS)
            return
        self._arriving.pop(path, None)
        self._away.pop(path, None)
        group.gone.pop(path, None)
        group.present[path] = None


def _due(times: dict[str, float], now: float) -> list[str]:
    """Give, and forget, the paths whose time has come."""
    due = [p for p, at in times.items() if at <= now] if times else []
    for path in due:
        del times[path]
    return due
