"""The files of a journal, and how one is written so that it is there whole or not at all.

    journal.<n>     a segment: deltas in order; the one with the highest number is being written
    snapshot.<n>    every entry as after segment n; the segments above n go on from there

Segments up to n stay for a while as history. Numbers have ten digits, so that names sort as they count.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def segment(folder: Path, number: int) -> Path:
    """Name a segment."""
    return folder / f"journal.{number:010}"


def snapshot(folder: Path, number: int) -> Path:
    """Name the snapshot of everything up to segment `number`."""
    return folder / f"snapshot.{number:010}"


def segments(folder: Path) -> list[int]:
    """Give the numbers of the segments that exist, ascending."""
    return sorted(_numbers(folder, "journal."))


def snapshots(folder: Path) -> list[int]:
    """Give the numbers of the snapshots that exist, ascending."""
    return sorted(_numbers(folder, "snapshot."))


def _numbers(folder: Path, start: str) -> Iterator[int]:
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            rest = path.name.removeprefix(start)
            if rest != path.name and rest.isdigit():
                yield int(rest)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte. Raises ``OSError``; part of the data may be written then."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_atomically(path: Path, pieces: Iterable[bytes | memoryview]) -> int:
    """Write a file so that `path` holds the old content or all of the new, also after a power cut; give its size.

    Raises ``OSError``; then the old content is untouched and nothing else is left behind.
    """
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    size = 0
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        try:
            for piece in pieces:
                write_all(fd, piece)
                size += len(piece)
            os.fsync(fd)
        finally:
            os.close(fd)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return size


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
