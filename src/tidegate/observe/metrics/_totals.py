"""Totals of requests: what every nginx of this state folder has counted, those that have ended included.

A count begins anew after 2^32, which is noticed as long as the exporter looks at it once in between. What instances that
ended or are about to had counted is kept in a file, so that totals do not fall when the exporter is started again; what
one that dies in the same second as the exporter had counted is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from tidegate.dataplane.journal import files
from tidegate.observe.metrics import _memory
from tidegate.observe.metrics._memory import COUNT_LIMIT, Area, Labels, Layout

_FOLDED: Final = Labels()


class Series:
    """One set of labels with its values: sums, then counts."""

    __slots__ = ("block", "ended", "labels", "values")

    def __init__(self, labels: Labels, values: int) -> None:
        """Begin with nothing."""
        self.labels = labels
        self.values: list[float] = [0] * values
        self.ended: list[float] | None = None
        """What instances that are over have counted."""
        self.block: Any = None
        """Whoever is told that values have changed, by ``is_stale``."""

    def add(self, values: list[float]) -> None:
        """Count more."""
        self.values = [a + b for a, b in zip(self.values, values, strict=True)]
        if self.block is not None:
            self.block.is_stale = True

    def keep(self, values: list[float]) -> None:
        """Take that so much is no longer in the memory of any nginx."""
        before = self.ended or [0] * len(values)
        self.ended = [a + b for a, b in zip(before, values, strict=True)]


class _Watched:
    """An area with what was read of it."""

    def __init__(self, name: str, area: Area) -> None:
        self.name = name
        """Tells it from every other one, that of a later start of the machine too."""
        self.area = area
        self.is_saved = False
        self.numbers: dict[int, Labels] = {0: _FOLDED}
        self.chunks: dict[tuple[int, int], bytes] = {}

    def values(self) -> Iterator[tuple[Labels, list[float]]]:
        """Give all that was counted there."""
        form, size = self.area.layout.values, self.area.layout.bytes
        for (_, first), data in self.chunks.items():
            for at in range(0, len(data) - size + 1, size):
                values = form.unpack_from(data, at)
                labels = self.numbers.get(first + at // size)
                if labels is not None and any(values):
                    yield labels, list(values)


class _Saved(msgspec.Struct):
    layout: Layout | None = None
    series: list[tuple[Labels, list[float]]] = []
    """Of what is in no memory any more."""
    ending: dict[str, list[tuple[Labels, list[float]]]] = {}
    """Of what is about to go, by name of the area."""


class Totals:
    """All totals; one layout counts at a time, that of the newest instance."""

    def __init__(self, root: Path, file: Path) -> None:
        """Take the folder of instances, and the file in which totals of ended ones are kept."""
        self._root, self._file = root, file
        self._watched: dict[int, _Watched] = {}
        self._known: set[int] = set()
        self.layout: Layout | None = None
        self.series: dict[tuple[str, ...], Series] = {}
        saved = self._load()
        for folder, pids in _memory.working_in(root).items():
            self._find(folder, pids)
        self._take_gone(saved)

    def close(self) -> None:
        """Let go of all memory."""
        for watched in self._watched.values():
            watched.area.close()
        self._watched.clear()

    # --- reading --------------------------------------------------------------------------------------------

    def update(self) -> None:
        """Look at what was counted since the last time."""
        for folder in self._instances():
            if master := _memory.master_of(folder):
                self._find(folder, [master])
        for watched in list(self._watched.values()):
            self._read(watched)
        if self._end_gone() or self._has_ending():
            self._save()

    def _instances(self) -> Iterator[Path]:
        try:
            yield from sorted(
                (p for p in self._root.iterdir() if p.name.isdigit()), key=lambda p: int(p.name)
            )
        except OSError:
            return

    def _find(self, folder: Path, pids: list[int]) -> None:
        for inode, area in _memory.find(folder, pids, self._known):
            self._watched[inode] = _Watched(f"{folder.name}/{inode}", area)
            if area.layout != self.layout:
                self.layout = area.layout
                self.series = {}

    def _read(self, watched: _Watched) -> None:
        area = watched.area
        for labels in area.new_labels():
            watched.numbers[labels.n] = labels
        if area.layout != self.layout:
            return
        most = max(watched.numbers)
        size = area.layout.bytes
        form = area.layout.values
        empty = bytes(size)
        for slot, first, data in area.chunks(most):
            before = watched.chunks.get((slot, first), b"")
            if data == before:
                continue
            watched.chunks[slot, first] = data
            watched.is_saved = False
            for at in range(0, len(data) - size + 1, size):
                new, old = data[at : at + size], before[at : at + size] or empty
                if new != old:
                    found = watched.numbers.get(first + at // size)
                    if found is not None:
                        self._count(area.layout, found, form.unpack_from(old), form.unpack_from(new))

    def _count(self, layout: Layout, labels: Labels, old: tuple[float, ...], new: tuple[float, ...]) -> None:
        sums = layout.sums
        grown = [b - a for a, b in zip(old, new, strict=True)]
        series = self._series(layout, labels)
        if min(grown[sums:]) < 0:
            wrapped = [0.0] * sums + [COUNT_LIMIT if d < 0 else 0 for d in grown[sums:]]
            grown = [a + b for a, b in zip(grown, wrapped, strict=True)]
            series.keep(wrapped)
            self._save()
        series.add(grown)

    def _series(self, layout: Layout, labels: Labels) -> Series:
        key = labels.key
        found = self.series.get(key)
        if found is None:
            found = self.series[key] = Series(labels, layout.sums + layout.counts)
        return found

    # --- instances that are over ----------------------------------------------------------------------------

    def _end_gone(self) -> bool:
        """Let go of what is over; tell whether there was any."""
        gone = [inode for inode, watched in self._watched.items() if not watched.area.folder.exists()]
        for inode in gone:
            watched = self._watched.pop(inode)
            self._read(watched)
            if self.layout is not None and watched.area.layout == self.layout:
                for labels, values in watched.values():
                    self._series(self.layout, labels).keep(values)
            watched.area.close()
        return bool(gone)

    def _ending(self) -> list[_Watched]:
        """Give the areas of all instances but the newest."""
        newest = max((int(watched.area.folder.name) for watched in self._watched.values()), default=0)
        return [
            w
            for w in self._watched.values()
            if int(w.area.folder.name) != newest and w.area.layout == self.layout
        ]

    def _has_ending(self) -> bool:
        return any(not watched.is_saved for watched in self._ending())

    def _save(self) -> None:
        """Keep what is no longer in any memory. On a disk that takes nothing totals may fall at the next start."""
        kept = [(series.labels, series.ended) for series in self.series.values() if series.ended is not None]
        ending = self._ending()
        saved = _Saved(self.layout, kept, {watched.name: list(watched.values()) for watched in ending})
        try:
            files.write_atomically(self._file, [msgspec.json.encode(saved)])
        except OSError:
            return
        for watched in ending:
            watched.is_saved = True

    def _load(self) -> _Saved:
        try:
            saved = msgspec.json.decode(self._file.read_bytes(), type=_Saved)
        except (OSError, msgspec.MsgspecError):
            return _Saved()
        self.layout = saved.layout
        self._take(saved.layout, saved.series)
        return saved

    def _take_gone(self, saved: _Saved) -> None:
        """Count what has ended while there was no exporter."""
        names = {watched.name for watched in self._watched.values()}
        gone = [values for name, values in saved.ending.items() if name not in names]
        if saved.layout == self.layout:
            for values in gone:
                self._take(saved.layout, values)
        if gone:
            self._save()

    def _take(self, layout: Layout | None, found: list[tuple[Labels, list[float]]]) -> None:
        for labels, values in found if layout is not None else ():
            if layout is not None and len(values) == layout.sums + layout.counts:
                series = self._series(layout, labels)
                series.keep(values)
                series.add(values)
