"""The fast lane: small files that are dealt with at once, while something else is only half done.

Only files of their own, by their paths, that are there: what is gone, moved, or seen over a link takes the usual way. A file
that cannot overtake loses nothing but time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from tidegate.sources._batches import Batch
from tidegate.sources._intake import SMALL_BYTES, Intake
from tidegate.sources._queue import Group, Queue
from tidegate.sources._tree import Tree

MOST_FILES: Final = 8
"""Files that may overtake others together."""


class FastLane:
    """Deals with groups of news of small files."""

    def __init__(self, queue: Queue, tree: Tree, intake: Intake, tell: Callable[[Batch], None]) -> None:
        """Take where groups wait, what knows the files, what reads them, and who is told."""
        self._queue = queue
        self._tree = tree
        self._intake = intake
        self._tell = tell

    def once(self) -> bool:
        """Deal with the newest group, or put off what of it has to wait; False if there is none."""
        group = self._queue.overtaking()
        if group is None:
            return False
        for part in _parts(group):
            batch = self._overtaken(part)
            if batch is not None:
                self._tell(batch)
                for path in part.present:
                    group.present.pop(path, None)
        if group:
            self._queue.put_off(group)
        return True

    def _overtaken(self, part: Group) -> Batch | None:
        files = [self._tree.plain(path) for path in part.present]
        found = [seen for seen in files if seen is not None]
        if not found or len(found) < len(files) or sum(seen.size for seen in found) > SMALL_BYTES:
            return None
        return self._intake.overtake(found)


def _parts(group: Group) -> Iterator[Group]:
    """Give what may overtake: all of a group, and then, if it could not, each file by itself."""
    if group.everything or group.gone or len(group.present) > MOST_FILES:
        return
    yield Group(group.present)
    if len(group.present) > 1:
        for path in list(group.present):
            yield Group([path])
