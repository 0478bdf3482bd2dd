"""The gateway's side of the reading processes: started when first needed, ended when idle, started again if they die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable
from typing import Final

from tidegate.findings import Effect, Finding
from tidegate.sources import _wire
from tidegate.sources._wire import Job, Part
from tidegate.sources._worker import LENGTH

IDLE_SECONDS: Final = 30.0
"""How long an idle worker (some 25 MB) is kept: its start costs a quarter of a second."""

SILENCE_SECONDS: Final = 120.0
"""A worker that says nothing for so long is ended. A file of the default limit takes a tenth of that."""

PROGRAM: Final = "from tidegate.sources._worker import main; main()"

_DIED: Final = (asyncio.IncompleteReadError, OSError)


class Worker:
    """One reading process, used by one caller at a time."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._lock = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    async def read(self, jobs: list[Job]) -> AsyncIterator[Part]:
        """Read files in order; give their parts as they come.

        A process that dies takes the file that it was at with it: that one gets a fault if a second process dies of it too.
        """
        async with self._lock:
            self._keep_alive()
            try:
                async for part in self._persist(jobs):
                    yield part
            finally:
                self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end)

    async def close(self) -> None:
        """End the process."""
        self._keep_alive()
        process, self._process = self._process, None
        if process is not None:
            await _end(process)

    async def _persist(self, jobs: list[Job]) -> AsyncIterator[Part]:
        left, died_of = list(jobs), ""
        while left:
            try:
                # After a death one file at a time, so that the guilty one is known.
                async for part in self._ask(left[:1] if died_of else left[:]):
                    yield part
                    if part.last:
                        left.pop(0)
                        died_of = ""
            except _DIED:
                await self.close()
                if died_of == left[0].file:
                    yield Part(left.pop(0).file, [], last=True, fault=_fatal(died_of))
                    died_of = ""
                else:
                    died_of = left[0].file

    async def _ask(self, jobs: list[Job]) -> AsyncIterator[Part]:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await _start()
        assert process.stdin is not None  # noqa: S101 - opened by _start
        assert process.stdout is not None  # noqa: S101
        data = _wire.encode(jobs)
        process.stdin.write(LENGTH.pack(len(data)) + data)
        await process.stdin.drain()
        done = 0
        while done < len(jobs):
            async with asyncio.timeout(SILENCE_SECONDS):
                head = await process.stdout.readexactly(LENGTH.size)
                frame = await process.stdout.readexactly(LENGTH.unpack(head)[0])
            for part in _wire.decode_parts(frame):
                yield part
                done += part.last

    def _keep_alive(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _end(self) -> None:
        """Let an idle process go: it ends by itself when its stdin does."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()


async def _start() -> Process:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, stdin=PIPE, stdout=PIPE, env=environment
    )


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _fatal(file: str) -> Finding:
    accepted = "a file that can be read within the memory of this machine"
    message = "the process that reads large files died of it, twice"
    return Finding(Effect.FAILED, "ReaderDied", "", "", "", accepted, message, file)


def shares(jobs: Iterable[tuple[int, Job]], size: int) -> list[list[Job]]:
    """Cut jobs, given with their bytes, into shares of about ``size`` bytes."""
    found: list[list[Job]] = []
    room = 0
    for weight, job in jobs:
        if room <= 0:
            found.append([])
            room = size
        found[-1].append(job)
        room -= weight
    return found
