"""The keeper's part in the access log: the pipe, which it holds open, and the writer, which it starts if there is none.

Because the keeper holds both ends, nginx can open the pipe without waiting for a reader, and what is in the pipe survives
the death of a writer. A writer survives the death of the keeper, and the next keeper finds it by its lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import stat
import subprocess
import sys

import msgspec

from tidegate.dataplane.access_log import FIFO, LOCK, NOWHERE, STDOUT, Destination
from tidegate.dataplane.keeper import _log
from tidegate.dataplane.keeper._children import Child, Children
from tidegate.dataplane.keeper.paths import StateDir

_PIPE_BYTES = 1024 * 1024
"""What anybody may ask for; enough for about half a second at 5,000 requests a second."""


class _Holder(msgspec.Struct):
    pid: int
    arguments: list[str]


class AccessLog:
    """Pipe and writer of a state folder."""

    def __init__(self, state: StateDir, children: Children, stdout: int) -> None:
        """Take where standard output goes, -1 if there is none."""
        self._state = state
        self._children = children
        self._stdout = stdout
        self._fifo = state.root / FIFO
        self._pipe = -1
        self._wanted = NOWHERE
        self._writer: Child | None = None
        self._started_with: list[str] = []

    def prepare(self, destination: Destination) -> None:
        """Have the pipe ready before an nginx opens it. Raises ``OSError``."""
        if destination.to:
            self._hold()

    def want(self, destination: Destination) -> None:
        """Say where lines go from now on; a writer that writes elsewhere ends."""
        self._wanted = destination
        self.tick()

    def tick(self) -> None:
        """Start a writer if there is none, end one that is wrong."""
        try:
            self._look()
        except OSError as e:
            # Without a writer lines are lost, and nothing else is.
            _log.warning("no writer of the access log", reason=e)

    def _look(self) -> None:
        if self._wanted.to:
            self._hold()
        if self._writer is not None and not self._writer.exited.done():
            if self._arguments() == self._started_with:
                return
            self._end(self._writer.pid)
            self._writer = None
            return
        holder = self._holder()
        if holder is not None:
            if holder.arguments != self._arguments():
                self._end(holder.pid)
        elif self._wanted.to:
            self._start()

    def _arguments(self) -> list[str]:
        return ["--state-dir", str(self._state.root), *self._wanted.arguments()] if self._wanted.to else []

    def _hold(self) -> None:
        """Make the pipe, and hold it open."""
        is_there = self._fifo.exists() and stat.S_ISFIFO(self._fifo.stat().st_mode)
        if not is_there:
            self._fifo.unlink(missing_ok=True)
            os.mkfifo(self._fifo, 0o600)
        if self._pipe >= 0 and is_there:
            return
        if self._pipe >= 0:
            os.close(self._pipe)
        self._pipe = os.open(self._fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        # The bound on such memory of an account without rights may be used up; the usual 64 KiB do, too.
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def _start(self) -> None:
        self._started_with = self._arguments()
        log = os.open(self._state.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            out = self._stdout if self._wanted.to == STDOUT and self._stdout >= 0 else subprocess.DEVNULL
            argv = [sys.executable, "-m", "tidegate.dataplane.access_log", *self._started_with]
            self._writer = self._children.start(argv, stdout=out, stderr=log)
        finally:
            os.close(log)
        _log.info("the writer of the access log begins", pid=self._writer.pid, to=self._wanted.to)

    @staticmethod
    def _end(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)

    def _holder(self) -> _Holder | None:
        """Give the writer that a keeper before this one started, if it lives."""
        try:
            fd = os.open(self._state.root / LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with contextlib.suppress(msgspec.MsgspecError):
                return msgspec.json.decode(os.pread(fd, 65536, 0), type=_Holder)
        finally:
            os.close(fd)
        return None
