"""The kernel's news about folders: which names in which folders were touched.

A thin layer over asyncinotify: folders are known by the kernel's watch numbers, so that one folder reached over two paths
is one, and everything the kernel has queued is given at once.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import AsyncIterator
from enum import Enum, auto
from typing import Final, NamedTuple

from asyncinotify import Event, Inotify, Mask, Watch

_MASK: Final = (
    Mask.CLOSE_WRITE
    | Mask.CREATE
    | Mask.DELETE
    | Mask.MOVED_FROM
    | Mask.MOVED_TO
    | Mask.ATTRIB
    | Mask.DELETE_SELF
    | Mask.MOVE_SELF
    | Mask.ONLYDIR
)
_GONE: Final = Mask.DELETE | Mask.MOVED_FROM
_OF_THE_FOLDER: Final = Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.UNMOUNT
_READ_EVENTS: Final = 64
"""Events of the longest kind that one read takes; of the usual length it is ten times as many."""


class What(Enum):
    """What happened to a name."""

    WRITTEN = auto()
    """Its content is complete: closed after writing, moved here, or its permissions changed."""
    CREATED = auto()
    """It came, and may still be written to."""
    GONE = auto()
    FOLDER = auto()
    """The folder itself is not what it was."""
    LOST = auto()
    """The folder's watch ended."""
    OVERFLOW = auto()
    """The kernel dropped news: anything may have changed."""


class News(NamedTuple):
    """One event."""

    what: What
    watch: int = -1
    """Number of the folder's watch."""
    name: str = ""
    cookie: int = 0
    """Equal for the two ends of a move; else 0."""


class NoWatch(OSError):
    """A folder cannot be watched: the kernel's limit on watches is reached."""


class Watcher:
    """Watches folders, each by itself."""

    def __init__(self) -> None:
        self._inotify = Inotify(cache_size=_READ_EVENTS, sync_timeout=0)
        self._watches: dict[int, Watch] = {}

    def add(self, folder: str) -> int:
        """Watch a folder and give the number of its watch, the same as before if it is watched already.

        Raises ``NoWatch`` if there are too many, other ``OSError`` if the folder is not there or cannot be read.
        """
        try:
            watch = self._inotify.add_watch(folder, _MASK)
        except OSError as e:
            if e.errno in {errno.ENOSPC, errno.ENOMEM}:
                raise NoWatch(e.errno, e.strerror, folder) from e
            raise
        self._watches[watch.wd] = watch
        return watch.wd

    def remove(self, number: int) -> None:
        """Stop watching a folder; nothing if it is gone anyway."""
        watch = self._watches.pop(number, None)
        if watch is not None:
            with contextlib.suppress(OSError):
                self._inotify.rm_watch(watch)

    def close(self) -> None:
        """Stop watching everything."""
        self._inotify.close()

    async def news(self) -> AsyncIterator[list[News]]:
        """Give what the kernel has queued, each time that there is something."""
        while True:
            found = [*_news(await self._inotify.get())]
            while (event := self._inotify.sync_get()) is not None:
                found += _news(event)
            yield found


def _news(event: Event) -> list[News]:
    mask = event.mask
    number = event.watch.wd if event.watch is not None else -1
    if mask & Mask.Q_OVERFLOW:
        return [News(What.OVERFLOW)]
    if mask & Mask.IGNORED:
        return [News(What.LOST, number)]
    if mask & _OF_THE_FOLDER or event.name is None:
        return [News(What.FOLDER, number)]
    what = What.GONE if mask & _GONE else What.CREATED if mask & Mask.CREATE else What.WRITTEN
    return [News(what, number, str(event.name), event.cookie)]
