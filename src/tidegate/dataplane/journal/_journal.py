"""The journal as its one writer sees it: append, and never lose the thread.

`Journal` writes each delta after the other. If the disk refuses, deltas wait in memory and go first when it takes them
again; a record that was written in part is cut away before anything follows it. Merging the files is other processes'
work (``python -m tidegate.dataplane.journal``): the writer holds no entries.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tidegate.dataplane.journal import _records, _wire, files

LEAST_COMPACTION = 4 * 1024 * 1024
"""Bytes of journal below which nothing is merged: replayed within a tenth of a second."""

MOST_WAITING = 16 * 1024 * 1024
"""Bytes of deltas that wait in memory for the disk. Beyond that they are given up, and a full delta is needed."""


class Journal:
    """Deltas on disk, in order. One process at a time may hold the journal of a folder; the caller sees to that."""

    def __init__(self, folder: Path) -> None:
        """Open or begin the journal in `folder`; a torn end of it is cut off. Raises ``OSError``."""
        folder.mkdir(mode=files.FOLDER_MODE, parents=True, exist_ok=True)
        self.folder = folder
        self.version = 0
        """The version that is kept, on disk or in memory."""
        self.behind = False
        """True if something is in force that is not here: only a full delta (base 0) can follow."""
        self.cut = 0
        """Bytes that opening cut off the end, because a process died in the middle of a record."""
        self.trouble = ""
        """Why the disk refuses, empty if it does not."""
        self._waiting: list[bytes] = []
        self._torn = False
        self._unsynced = False
        self._closed_bytes = 0
        self._snapshot_bytes = 0
        self._open()

    def _open(self) -> None:
        # Of a helper process that was killed, or whose keeper was: it fails then, and nothing is lost.
        for unfinished in self.folder.glob("*.new"):
            unfinished.unlink(missing_ok=True)
        taken = files.snapshots(self.folder)
        after = taken[-1] if taken else 0
        if taken:
            self._snapshot_bytes = self._follow(files.snapshot(self.folder, after))
        numbers = [n for n in files.segments(self.folder) if n > after]
        sizes = [self._follow(files.segment(self.folder, n)) for n in numbers]
        self._number = numbers[-1] if numbers else after + 1
        self._size = sizes[-1] if sizes else 0
        self._closed_bytes = sum(sizes[:-1])
        self._fd = self._open_segment(self._number)
        there = os.fstat(self._fd).st_size
        if there > self._size:
            self.cut = there - self._size
            os.ftruncate(self._fd, self._size)

    def _follow(self, path: Path) -> int:
        """Walk over a file for the version it leads to; give the bytes that are whole."""
        end = 0
        for kept in _records.walk(_records.read(path)):
            end = kept.end
            if kept.header.base in {0, self.version}:
                self.version = kept.header.version
        return end

    def _open_segment(self, number: int) -> int:
        path = files.segment(self.folder, number)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, files.FILE_MODE)
        files.sync_folder(self.folder)
        return fd

    @property
    def persisted(self) -> bool:
        """True if everything that was appended is on disk."""
        return not self._waiting and not self.behind

    @property
    def waiting(self) -> bytes:
        """The records that wait in memory, as they would stand in a file."""
        return b"".join(part for delta in self._waiting for part in (_records.head(delta), delta))

    def append(self, delta: bytes) -> bool:
        """Keep a delta. Tell whether it, and all before it, is on disk.

        Raises `Malformed` for bytes that are no delta. One that does not build on the version kept is not taken, and
        `behind` says so.
        """
        header, _ = _wire.read_header(delta)
        if header.base == 0:
            self._waiting.clear()
            self.behind = False
        elif header.base != self.version:
            self.behind = True
        if self.behind:
            return False
        self.version = header.version
        self._waiting.append(delta)
        return self.retry()

    def retry(self) -> bool:
        """Write what waits in memory. Tell whether everything is on disk now."""
        while self._waiting and self._write(self._waiting[0]):
            del self._waiting[0]
        if sum(map(len, self._waiting)) > MOST_WAITING:
            self._waiting.clear()
            self.behind = True
        return self.persisted

    def _write(self, delta: bytes) -> bool:
        try:
            if self._torn:
                os.ftruncate(self._fd, self._size)
                self._torn = False
            files.write_all(self._fd, _records.head(delta))
            files.write_all(self._fd, delta)
        except OSError as e:
            self.trouble = e.strerror or str(e)
            self._torn = True
            self._cut_torn()
            return False
        self._size += _records.OVERHEAD + len(delta)
        self._unsynced = True
        self.trouble = ""
        return True

    def _cut_torn(self) -> None:
        # At once if possible, so that readers meet no half record; else before the next write.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self._size)
            self._torn = False

    def lose_track(self) -> None:
        """Take that something is in force that is not here: only a full delta can follow."""
        self.behind = True

    def resume(self, version: int) -> None:
        """Take that exactly what is here is in force, at this version."""
        self.version = version
        self.behind = False

    def can_write(self) -> bool:
        """Try whether the disk takes data again, with as much as the smallest compaction needs."""
        probe = self.folder / "probe"
        try:
            fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, files.FILE_MODE)
            try:
                os.posix_fallocate(fd, 0, LEAST_COMPACTION)
            finally:
                os.close(fd)
                probe.unlink(missing_ok=True)
        except OSError as e:
            self.trouble = e.strerror or str(e)
            return False
        self.trouble = ""
        return True

    def sync(self) -> None:
        """Make what is written durable against a power cut (blocks; call it from a thread). Raises ``OSError``."""
        if self._unsynced:
            self._unsynced = False
            os.fdatasync(self._fd)

    @property
    def compaction_due(self) -> bool:
        """True if the journal outgrew the snapshot, so that merging costs no more than was written since."""
        return self._closed_bytes + self._size > max(LEAST_COMPACTION, self._snapshot_bytes)

    def rotate(self) -> int:
        """Go on in a new segment. Give the number of the one just closed: what a compaction may merge.

        Raises ``OSError``; then the old segment stays in use.
        """
        if self._size == 0:
            return self._number - 1
        fresh = self._open_segment(self._number + 1)
        with contextlib.suppress(OSError):
            os.fdatasync(self._fd)
        os.close(self._fd)
        self._fd, self._number = fresh, self._number + 1
        self._closed_bytes += self._size
        self._size, self._torn = 0, False
        return self._number - 1

    def compacted(self, upto: int) -> None:
        """Take note that a snapshot of everything up to segment `upto` is there."""
        self._snapshot_bytes = files.snapshot(self.folder, upto).stat().st_size
        later = [n for n in files.segments(self.folder) if upto < n < self._number]
        self._closed_bytes = sum(files.segment(self.folder, n).stat().st_size for n in later)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
