"""The bytes of a manifest file, or why they cannot be had. Never waits: pipes and devices are not opened."""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from tidegate.findings import Effect, Finding

_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
"""Errors that mean: there is no such file (a dangling or circular link is none)."""


def load(path: str, limit: int) -> bytes | Finding:
    """Give the bytes of a file of at most ``limit`` bytes. Raises ``FileNotFoundError`` if it is gone."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as e:
        if e.errno in GONE:
            raise FileNotFoundError(path) from e
        return unreadable(path, e)
    try:
        return _read(descriptor, limit, path)
    except OSError as e:
        return unreadable(path, e)
    finally:
        os.close(descriptor)


def _read(descriptor: int, limit: int, path: str) -> bytes | Finding:
    """Read to the end, which may lie beyond the size of a moment ago."""
    status = os.fstat(descriptor)
    size = status.st_size
    if not stat.S_ISREG(status.st_mode):
        return unreadable(path, OSError(errno.EINVAL, "this is not a regular file"))
    if size > limit:
        return too_large(path, size, limit)
    parts, total = [], 0
    while part := os.read(descriptor, max(size + 1 - total, 65536)):
        parts.append(part)
        total += len(part)
        if total > limit:
            return too_large(path, total, limit)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def unreadable(path: str, error: OSError) -> Finding:
    """Say that a file or folder cannot be read."""
    reason = error.strerror or str(error)
    accepted = "a file or folder that the gateway may read"
    return Finding(Effect.REFUSED, "Unreadable", "", "", "", accepted, reason, path)


def too_large(path: str, size: int, limit: int) -> Finding:
    """Say that a file is not read because of its size."""
    return Finding(
        Effect.REFUSED, "TooLarge", "", "", f"{size} bytes", f"a file of at most {limit} bytes", "", path
    )
