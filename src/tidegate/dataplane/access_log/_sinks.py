"""Where lines end: a file that is found again however it was moved, or standard output. Writing may block; never raise.

A part of a batch that was written is never written again: what is left waits for its turn, so that lines stay whole.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Protocol

FILE_MODE = 0o640


class Sink(Protocol):
    """Takes lines."""

    trouble: str
    """Why the last write did not succeed; empty if it did."""

    def write(self, data: bytes) -> int:
        """Write as much as can be; give how many bytes that was."""

    def close(self) -> None:
        """Let go of the file."""


def _write(fd: int, data: bytes) -> tuple[int, str]:
    done = 0
    try:
        while done < len(data):
            done += os.write(fd, data[done:] if done else data)
    except OSError as e:
        return done, e.strerror or str(e)
    return done, ""


class StreamSink:
    """An open descriptor, as of standard output."""

    def __init__(self, fd: int) -> None:
        """Take the descriptor."""
        self._fd = fd
        self.trouble = ""

    def write(self, data: bytes) -> int:
        """Write; see `Sink`."""
        done, self.trouble = _write(self._fd, data)
        return done

    def close(self) -> None:
        """Leave it open: it is not ours."""


class FileSink:
    """A file by its path: opened anew when the path leads elsewhere, moved aside when it is large."""

    def __init__(self, path: Path, *, most: int = 0, copies: int = 1) -> None:
        """Take the path; with `most` the file is moved aside once it has that many bytes, and `copies` are kept."""
        self.path = path
        self.trouble = ""
        self._most = most
        self._copies = copies
        self._fd = -1
        self._id = (0, 0)
        self._size = 0

    def write(self, data: bytes) -> int:
        """Write to what the path leads to now; see `Sink`."""
        try:
            self._find()
        except OSError as e:
            self.trouble = e.strerror or str(e)
            return 0
        done, self.trouble = _write(self._fd, data)
        self._size += done
        # Only at the end of a line: the rest of a torn one belongs where its beginning is.
        if self._most and self._size >= self._most and done == len(data):
            self._move_aside()
        return done

    def _find(self) -> None:
        try:
            there = self.path.stat()
            if (there.st_dev, there.st_ino) == self._id:
                return
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self.close()
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
        opened = os.fstat(self._fd)
        self._id, self._size = (opened.st_dev, opened.st_ino), opened.st_size

    def _move_aside(self) -> None:
        def copy(number: int) -> Path:
            return self.path.with_name(f"{self.path.name}.{number}")

        with contextlib.suppress(OSError):
            for number in range(self._copies - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    copy(number).rename(copy(number + 1))
            self.path.rename(copy(1))

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._id = -1, (0, 0)


def stamp() -> str:
    """Give the time as nginx writes it (``$time_iso8601``)."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    return f"{text[:-2]}:{text[-2:]}"
