"""Merging the journal into a snapshot, and what stays as history."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from tidegate.dataplane.journal import _state, files

MOST_HISTORY = 64 * 1024 * 1024
"""Bytes of merged segments that stay readable as history."""

LONGEST_HISTORY = 7 * 24 * 3600.0
"""Seconds after which a merged segment goes, however small."""


def compact(folder: Path, upto: int) -> None:
    """Write the snapshot of everything up to segment `upto`; remove older snapshots and history beyond its bounds.

    Raises ``OSError``; the old snapshot is in force then.
    """
    state = _state.load(folder, upto)
    files.write_atomically(files.snapshot(folder, upto), state.snapshot())
    for number in files.snapshots(folder):
        if number < upto:
            files.snapshot(folder, number).unlink(missing_ok=True)
    prune(folder, upto)


def prune(folder: Path, upto: int, now: float | None = None, most: int = MOST_HISTORY) -> None:
    """Remove merged segments (up to number `upto`) that are too old, or the oldest where they are too much."""
    oldest = (time.time() if now is None else now) - LONGEST_HISTORY
    room = most
    for number in reversed([n for n in files.segments(folder) if n <= upto]):
        path = files.segment(folder, number)
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            room -= found.st_size
            if room < 0 or found.st_mtime < oldest:
                path.unlink()
