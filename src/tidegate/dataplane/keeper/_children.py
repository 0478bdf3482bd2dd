"""The keeper's child processes: started, awaited and reaped.

In a pod the keeper is the first process and inherits the orphans of others, so it reaps whatever ends, and tells its
own children from strangers.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple


class Child:
    """One child process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Take a process that was just started."""
        self._process = process
        self.pid = process.pid
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """The exit code, or minus the number of the signal that ended it."""

    def poll(self) -> bool:
        """Reap it if it ended, and tell whether it did."""
        code = self._process.poll()
        if code is not None and not self.exited.done():
            self.exited.set_result(code)
        return code is not None

    def kill(self) -> None:
        """End it by force."""
        self._process.kill()


class Outcome(NamedTuple):
    """How a short-lived child ended."""

    code: int
    output: bytes
    """What it wrote to standard output."""
    errors: str
    """What it wrote to standard error."""


class Children:
    """All of them. At most one object of this class per process."""

    def __init__(self) -> None:
        """Reap from now on; needs a running event loop in the main thread."""
        self._known: dict[int, Child] = {}
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)

    def start(
        self,
        argv: Sequence[str],
        *,
        stdout: int | IO[bytes],
        stderr: int | IO[bytes],
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Child:
        """Start a process in a session of its own, so that it outlives this one. Raises ``OSError``."""
        process = subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=env,
            pass_fds=pass_fds,
            start_new_session=True,
        )
        child = self._known[process.pid] = Child(process)
        return child

    async def run(
        self,
        argv: Sequence[str],
        *,
        seconds: float,
        stdin: bytes = b"",
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Outcome:
        """Run a process to its end, or kill it after `seconds`. Raises ``OSError`` if it cannot be started."""
        # Memory files, because a full disk is one of the cases in which this must work.
        with _memory_file(stdin) as given, _memory_file() as output, _memory_file() as errors:
            child = self.start(
                argv, stdin=given, stdout=output, stderr=errors, cwd=cwd, env=env, pass_fds=pass_fds
            )
            try:
                code = await asyncio.wait_for(asyncio.shield(child.exited), seconds)
            except TimeoutError:
                child.kill()
                await child.exited
                return Outcome(-signal.SIGKILL, b"", f"it took more than {seconds:g} seconds")
            except asyncio.CancelledError:
                child.kill()
                raise
            return Outcome(code, _content(output), _content(errors).decode(errors="replace"))

    def _reap(self) -> None:
        for pid in [pid for pid, child in self._known.items() if child.poll()]:
            del self._known[pid]
        while (pid := _ended()) and pid not in self._known:
            os.waitpid(pid, os.WNOHANG)


def _ended() -> int:
    """Give the number of a child that ended and is not reaped, 0 if there is none."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0
    return found.si_pid if found else 0


def _memory_file(content: bytes = b"") -> IO[bytes]:
    file = os.fdopen(os.memfd_create("keeper"), "w+b")
    file.write(content)
    file.seek(0)
    return file


def _content(file: IO[bytes]) -> bytes:
    # The child wrote at its own place of the shared file, which is the end.
    file.seek(0)
    return file.read()
