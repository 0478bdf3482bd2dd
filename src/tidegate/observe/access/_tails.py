"""The end of the access log, summed up: what `tidegate top` shows besides counts."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import msgspec

from tidegate.observe.access._lines import Line, decode, tries

_MOST = 8 * 1024 * 1024
"""Bytes that are read at a time; of more, the last count."""


class EndpointRow(msgspec.Struct, frozen=True):
    """One endpoint in the time looked at."""

    endpoint: str
    backend: str
    tries: int
    failed: int
    """No answer, or a status from 500 on."""
    p99: float | None
    """Seconds until its answer was complete."""


class Tail:
    """Follows a file from its present end."""

    def __init__(self, path: Path | None) -> None:
        """Take the file; None: there is none to follow."""
        self._path = path
        self._at = path.stat().st_size if path else 0
        self._inode = path.stat().st_ino if path else 0

    def read(self) -> list[Line]:
        """Give what was written since the last time. A file that was moved or cut is read from its beginning."""
        if self._path is None:
            return []
        try:
            with self._path.open("rb") as file:
                data = self._new_bytes(file.fileno())
        except OSError:
            return []
        return [line for text in data.splitlines() if (line := decode(text)) is not None]

    def _new_bytes(self, fd: int) -> bytes:
        there = os.fstat(fd)
        if there.st_ino != self._inode or there.st_size < self._at:
            self._inode, self._at = there.st_ino, 0
        begin = max(self._at, there.st_size - _MOST)
        data = os.pread(fd, there.st_size - begin, begin)
        end = data.rfind(b"\n") + 1
        self._at = begin + end
        return data[:end]


def p99(times: list[float]) -> float | None:
    """Give the time that 99 of 100 do not pass; None of none."""
    return sorted(times)[max(0, -(-99 * len(times) // 100) - 1)] if times else None


def route_times(lines: list[Line]) -> dict[str, list[float]]:
    """Give the request times by route."""
    found: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        found[line.route].append(line.request_time)
    return found


def endpoints(lines: list[Line]) -> list[EndpointRow]:
    """Sum up by endpoint, the busiest first."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for line in lines:
        for each in tries(line):
            key = (each.endpoint, line.backend_id)
            counts[key][0] += 1
            counts[key][1] += each.header is None or (each.status or 0) >= 500
            if each.header is not None and each.total is not None:
                times[key].append(each.total)
    rows = [
        EndpointRow(endpoint, backend, tried, failed, p99(times[endpoint, backend]))
        for (endpoint, backend), (tried, failed) in counts.items()
    ]
    return sorted(rows, key=lambda row: (-row.tries, row.endpoint))
