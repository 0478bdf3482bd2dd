"""Locks that say "one at a time" for a state folder, and end with their process however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class InUse(Exception):
    """Another live process holds the lock."""

    def __init__(self, path: Path, pid: int) -> None:
        """Keep which lock it is and who holds it (0 if that is not known)."""
        super().__init__(f"{path.parent} is in use by process {pid or '(unknown)'} ({path.name})")
        self.path = path
        self.pid = pid


class Lock:
    """A lock that is held. A file left behind by a process that was killed locks nothing."""

    def __init__(self, path: Path) -> None:
        """Take the lock, or raise `InUse`; ``OSError`` if the file cannot be opened."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 20, 0).strip()
            os.close(self._fd)
            raise InUse(path, int(holder) if holder.isdigit() else 0) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Let go."""
        os.close(self._fd)
