"""All entries as a journal has them: snapshot and segments joined.

This holds the whole state in memory, so it runs in a process of its own (see ``__main__``) or in a test, never in the
keeper.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tidegate.dataplane.journal import _records, _wire, files

_CHUNK = 1024 * 1024
"""Bytes of entries in one record of a snapshot, so that no reader needs more than this at once."""

_ATTEMPTS = 5
"""How often the files are listed anew when a compaction removes one of them meanwhile; one would do."""


@dataclass(slots=True)
class State:
    """Entries by key, at one version."""

    version: int = 0
    time: float = 0.0
    entries: dict[bytes, memoryview] = field(default_factory=dict)

    def apply(self, kept: _records.Kept) -> bool:
        """Take one delta. Tell whether it fits; one that builds on another version changes nothing.

        Base 0 means that the delta holds everything.
        """
        header = kept.header
        if header.base == 0:
            self.entries.clear()
        elif header.base != self.version:
            return False
        self._take(kept)
        self.version, self.time = header.version, header.time
        return True

    def add_part(self, kept: _records.Kept) -> None:
        """Take one part of a snapshot."""
        self._take(kept)
        self.version, self.time = kept.header.version, kept.header.time

    def replace(self, delta: memoryview) -> None:
        """Take a delta that holds everything that nginx has; what only the disk holds stays. Raises `Malformed`."""
        header, body = _wire.read_header(delta)
        self.entries = {k: v for k, v in self.entries.items() if k.startswith(_wire.ON_DISK_ONLY)}
        self._take(_records.Kept(header, delta, body, len(delta)))
        self.version, self.time = header.version, header.time

    def _take(self, kept: _records.Kept) -> None:
        for record in _wire.records(kept.delta, kept.body):
            if record.value < 0:
                self.entries.pop(record.key, None)
            else:
                self.entries[record.key] = kept.delta[record.value : record.end]

    def delta(self, *, objects: bool) -> Iterator[bytes | memoryview]:
        """Give everything as one delta of base 0, in pieces; with or without the entries kept only on disk."""
        wanted = [k for k in self.entries if objects or not k.startswith(_wire.ON_DISK_ONLY)]
        yield self._header(len(wanted))
        for key in wanted:
            yield from _wire.write_set(key, self.entries[key])

    def snapshot(self) -> Iterator[bytes | memoryview]:
        """Give the content of a snapshot file, in pieces."""
        part: list[bytes | memoryview] = []
        count = size = 0
        for key, value in self.entries.items():
            part += _wire.write_set(key, value)
            count, size = count + 1, size + len(value)
            if size >= _CHUNK:
                yield from self._record(part, count)
                part, count, size = [], 0, 0
        yield from self._record(part, count)

    def _record(self, part: list[bytes | memoryview], count: int) -> Iterable[bytes | memoryview]:
        delta = b"".join((self._header(count), *part))
        return (_records.head(delta), delta)

    def _header(self, count: int) -> bytes:
        return _wire.write_header(_wire.Header(self.version, 0, self.time, 0, msgspec.Raw(b"[]")), count)


def load(folder: Path, upto: int | None = None, more: memoryview | None = None) -> State:
    """Join the newest snapshot, the segments after it up to number `upto`, and the records in `more`.

    What is cut off or damaged is left out, and with it all that builds on it. Raises ``OSError``.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return _load(folder, upto, more)
        except FileNotFoundError:
            continue
    return _load(folder, upto, more)


def _load(folder: Path, upto: int | None, more: memoryview | None) -> State:
    state = State()
    taken = files.snapshots(folder)
    after = taken[-1] if taken else 0
    numbers = [n for n in files.segments(folder) if n > after and (upto is None or n <= upto)]
    if taken:
        for kept in _records.walk(_records.read(files.snapshot(folder, after))):
            state.add_part(kept)
    contents = [_records.read(files.segment(folder, n)) for n in numbers]
    for data in [*contents, *([more] if more is not None else [])]:
        for kept in _records.walk(data):
            state.apply(kept)
    return state
