"""nginx's error log, as far as the keeper reads it: to say why nginx did not do what it was told."""

from __future__ import annotations

import os
from pathlib import Path

_MOST = 16 * 1024 * 1024
"""Bytes of the file before it is moved aside; there is one old one."""
_LOOK_BACK = 64 * 1024
"""Bytes that are read at most to explain a failure."""
_MOST_LINES = 20
_GRAVE = ("[alert]", "[crit]")


class ErrorLog:
    """The file to which all instances write."""

    def __init__(self, path: Path) -> None:
        """Take the path; the file need not exist."""
        self.path = path

    def open(self) -> int:
        """Open it for a new nginx; the caller closes the descriptor. Raises ``OSError``."""
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def mark(self) -> int:
        """Give the place where the next line will stand."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def since(self, mark: int) -> list[str]:
        """Give the lines written after a mark."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(mark, self.mark() - _LOOK_BACK))
                return file.read(_LOOK_BACK).decode(errors="replace").splitlines()
        except OSError:
            return []

    def rotate(self) -> None:
        """Empty the file if it is large, after copying it aside. Raises ``OSError``.

        nginx keeps the descriptor and appends, so the file itself must stay; lines of the moment between the copy
        and the cut are lost.
        """
        if self.mark() < _MOST:
            return
        with self.path.open("rb") as file, self.path.with_suffix(".log.1").open("wb") as old:
            while piece := file.read(_LOOK_BACK):
                old.write(piece)
        os.truncate(self.path, 0)


def says_no(line: str) -> bool:
    """Tell whether a line says that nginx does not take a configuration."""
    # An error in the Lua code that runs first is told at the level of the errors of single requests.
    return "[emerg]" in line or "init_by_lua error" in line


def grave(lines: list[str]) -> list[str]:
    """Give the lines that say why nginx refused or ended; all of the last ones, if none says it plainly."""
    told = [line for line in lines if says_no(line) or any(word in line for word in _GRAVE)]
    return (told or lines)[-_MOST_LINES:]
