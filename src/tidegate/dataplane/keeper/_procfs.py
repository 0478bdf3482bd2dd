"""What ``/proc`` tells about other processes. Everything here may be out of date by the time it is read."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_LISTENING = "0A"
_UNCONNECTED = "07"


class Process(NamedTuple):
    """A process that is told from a later one with the same number."""

    pid: int
    started: int
    """Clock ticks since the machine's start."""

    @property
    def alive(self) -> bool:
        """Tell whether this very process still runs (a zombie does not)."""
        return process(self.pid) == self

    @property
    def title(self) -> str:
        """Its command line, or what it wrote over it; empty if it is gone."""
        try:
            return (
                (_PROC / str(self.pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
        except OSError:
            return ""

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it is alive."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            fd = os.pidfd_open(self.pid)
            try:
                if self.alive:
                    signal.pidfd_send_signal(fd, number)
            finally:
                os.close(fd)


def process(pid: int) -> Process | None:
    """Give the process that has this number now."""
    fields = _stat(pid)
    if fields is None or fields[0] in {"Z", "X"}:
        return None
    return Process(pid, int(fields[19]))


def _stat(pid: int) -> list[str] | None:
    """Give the fields after the name, of which state and parent are the first."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def children(pid: int) -> list[Process]:
    """Give the children of a process."""
    try:
        numbers = [int(n) for n in (_PROC / str(pid) / "task" / str(pid) / "children").read_text().split()]
    except OSError:
        return []
    return [found for n in numbers if (found := process(n)) is not None]


def working_in(folder: Path) -> list[Process]:
    """Give the processes whose working folder this is, as far as it may be known, oldest first."""
    wanted = str(folder)
    found = (process(pid) for pid in _pids() if _link(_PROC / str(pid) / "cwd") == wanted)
    return sorted((p for p in found if p is not None), key=lambda p: p.started)


def _pids() -> Iterator[int]:
    return (int(path.name) for path in _PROC.iterdir() if path.name.isdigit())


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def parent(pid: int) -> int:
    """Give the parent of a process, 0 if it is gone."""
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def listening_inodes(port: int | None = None, *, datagrams: bool | None = None) -> set[str]:
    """Give the inodes of sockets that wait for clients, on one port or on any.

    ``datagrams``: only UDP (True) or TCP (False) sockets.
    """
    tables = {"tcp": _LISTENING, "tcp6": _LISTENING, "udp": _UNCONNECTED, "udp6": _UNCONNECTED}
    return {
        inode
        for name, state in tables.items()
        if datagrams is None or name.startswith("udp") == datagrams
        for inode in _listening(_PROC / "net" / name, state, port)
    }


def _listening(table: Path, state: str, port: int | None) -> Iterator[str]:
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        fields = line.split()
        if fields[3] == state and (port is None or int(fields[1].rpartition(":")[2], 16) == port):
            yield fields[9]


def sockets(pid: int) -> Iterator[tuple[int, str]]:
    """Give the descriptors of a process that are sockets, with their inodes, as far as it may be known."""
    folder = _PROC / str(pid) / "fd"
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return
    for name in names:
        target = _link(folder / name)
        if target.startswith("socket:["):
            yield int(name), target[len("socket:[") : -1]


def holder(port: int, *, datagrams: bool = False) -> str:
    """Say who listens on a port, as ``17 (nginx)``; empty if it is not known."""
    wanted = listening_inodes(port, datagrams=datagrams)
    own = os.getpid()
    for pid in _pids() if wanted else ():
        if pid != own and any(inode in wanted for _, inode in sockets(pid)):
            with contextlib.suppress(OSError):
                return f"{pid} ({(_PROC / str(pid) / 'comm').read_text().strip()})"
    return ""
