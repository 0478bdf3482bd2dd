"""Objects of an earlier run that still count, although the source cannot show them.

A file that is broken when the gateway starts may hold objects that were in force before. They stay, in the version
that was kept, until the source can say what became of them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidegate.kube.objects import Ref, Resource
from tidegate.sources import Batch

Changes = list[tuple[Ref, Resource | None]]


class Earlier:
    """The objects that are kept from an earlier run, for as long as the source cannot tell about them."""

    def __init__(self, kept: Mapping[Ref, Resource]) -> None:
        """Take all that was kept."""
        self._kept = dict(kept)
        self._standing: set[Ref] = set()
        self._unread: set[str] = set()

    def of(self, batch: Batch) -> Changes:
        """Give the objects that this batch leaves standing, and those that it no longer does (None)."""
        if not (batch.initial or self._standing or self._unread):
            return []
        told = {change.ref for change in batch.changes}
        self._standing -= told
        if batch.initial:
            self._unread = set(batch.unread)
            wanted: Iterable[Ref] = self._kept if batch.unread else batch.held
            self._standing = {ref for ref in wanted if ref in self._kept} - told
            standing: Changes = [(ref, self._kept[ref]) for ref in sorted(self._standing)]
            self._kept = {}
            return standing
        return self._let_go(batch)

    def _let_go(self, batch: Batch) -> Changes:
        """End what stood only because a file could not be read, once every such file was read."""
        if not self._unread:
            return []
        self._unread -= {file for file, findings in batch.findings_by_file.items() if not findings}
        if self._unread:
            return []
        gone, self._standing = sorted(self._standing), set()
        return [(ref, None) for ref in gone]
