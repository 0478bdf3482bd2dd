"""What nginx's processes take, and how many connections they have."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tidegate.dataplane.keeper.paths import short
from tidegate.observe.metrics._declared import PREFIX

Sample = tuple[str, dict[str, str], float]

_PROC: Final = Path("/proc")
_SECONDS: Final = 1.0
_CONNECTIONS: Final = re.compile(
    r"Active connections: (\d+).*?\n\s*(\d+) (\d+) (\d+)\s*\nReading: (\d+) Writing: (\d+) Waiting: (\d+)",
    re.DOTALL,
)
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_P: Final = f"{PREFIX}nginx_process_"


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("exporter", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_SECONDS)
        with short(self._path) as name:
            self.sock.connect(name)


def samples(folder: Path, master: int) -> Iterator[Sample]:
    """Give what one instance of nginx shows; nothing of what it does not answer."""
    yield from _connections(folder)
    yield from _processes([master, *_children(master)])


def _connections(folder: Path) -> Iterator[Sample]:
    connection = _Unix(folder / "push.sock")
    try:
        connection.request("GET", "/connections")
        found = _CONNECTIONS.search(connection.getresponse().read().decode())
    except (OSError, http.client.HTTPException, ValueError):
        return
    finally:
        connection.close()
    if found is None:
        return
    active, accepted, handled, requests, reading, writing, waiting = map(float, found.groups())
    for state, value in (
        ("active", active), ("reading", reading), ("writing", writing), ("waiting", waiting),
    ):  # fmt: skip
        yield f"{_P}connections", {"state": state}, value
    yield f"{_P}connections_total", {"state": "accepted"}, accepted
    yield f"{_P}connections_total", {"state": "handled"}, handled
    yield f"{_P}requests_total", {}, requests


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError, ValueError):
        return [int(n) for n in (_PROC / str(pid) / "task" / str(pid) / "children").read_text().split()]
    return []


def _processes(pids: list[int]) -> Iterator[Sample]:
    found = [fields for pid in pids if (fields := _stat(pid))]
    if not found:
        return
    boot = _boot()
    read = written = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, KeyError):
            io = dict(line.split(": ") for line in (_PROC / str(pid) / "io").read_text().splitlines())
            read, written = read + int(io["rchar"]), written + int(io["wchar"])
    yield f"{_P}num_procs", {}, len(found)
    yield f"{_P}resident_memory_bytes", {}, sum(int(f[21]) for f in found) * _PAGE
    yield f"{_P}virtual_memory_bytes", {}, sum(int(f[20]) for f in found)
    yield f"{_P}oldest_start_time_seconds", {}, boot + min(int(f[19]) for f in found) / _TICKS
    yield f"{_P}cpu_seconds_total", {}, sum(int(f[11]) + int(f[12]) for f in found) / _TICKS
    yield f"{_P}read_bytes_total", {}, read
    yield f"{_P}write_bytes_total", {}, written


def _stat(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return []


def _boot() -> float:
    for line in (_PROC / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0
