"""One running nginx: its folder, its master process and its socket."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from tidegate.dataplane.keeper import _procfs
from tidegate.dataplane.keeper._http import PushSocket, Unanswered

STATUS_SECONDS = 2.0
"""How long nginx may take to say how it is. It answers in well under a millisecond, but may have to load first."""

_POLL_SECONDS = 0.02
"""Between two questions whether the workers are there: connecting costs about 0.2 ms."""

_LEAVING = "is shutting down"
"""In the title of a worker from the moment on in which it closes its listening sockets."""


class NginxStatus(msgspec.Struct):
    """What nginx says of itself (``GET /status``)."""

    version: int = 0
    generation: str | int = ""
    workers: int = 0
    reported: dict[str, dict[str, int]] = {}
    ready: bool = False
    draining: bool = False
    capacity: int = 0
    free: int = 0
    trouble: str = ""
    """What does not work, in words."""

    def pids(self, generation: str) -> set[int]:
        """Give the workers that reported for a generation."""
        return set(self.reported.get(generation, {}).values())


_STATUS = msgspec.json.Decoder(NginxStatus)


class Instance:
    """An nginx that was started or found."""

    def __init__(self, number: int, folder: Path, pid: int) -> None:
        """Take a live master. Raises ``ProcessLookupError`` if it is gone."""
        self.number = number
        self.folder = folder
        self.pid = pid
        self.push = PushSocket(folder / "push.sock")
        self.exited = asyncio.Event()
        """Set once the master has ended."""
        self.workers: set[_procfs.Process] = set()
        """All workers seen as the master's children lately, old ones included; kept for the time after its death."""
        self._pidfd = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._end)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self.push.close()
        self.exited.set()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the master, if it lives."""
        if self._pidfd >= 0:
            signal.pidfd_send_signal(self._pidfd, number)

    def look_at_workers(self) -> set[_procfs.Process]:
        """Give the workers that live now, old ones included."""
        if not self.exited.is_set():
            self.workers = set(_procfs.children(self.pid))
        return self.workers

    async def status(self, seconds: float = STATUS_SECONDS) -> NginxStatus:
        """Ask nginx how it is. Raises `Unanswered`."""
        answer = await self.push.get("/status", seconds=seconds)
        try:
            return _STATUS.decode(answer.body)
        except msgspec.MsgspecError as e:
            raise Unanswered(f"status {answer.status}: {e}") from e

    async def until_reported(
        self,
        generation: str,
        workers: int,
        *,
        but: Collection[int] = (),
        seconds: float,
        hopeless: Callable[[], bool] = lambda: False,
    ) -> NginxStatus | None:
        """Wait until `workers` workers, other than those in `but`, report a generation.

        None if that does not happen in time, if the master ends, or once `hopeless` says so.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while not self.exited.is_set() and asyncio.get_running_loop().time() < deadline:
            # A connection of its own each time: a kept one may lead to a worker of the old generation.
            self.push.close()
            try:
                status = await self.status()
            except Unanswered:
                pass
            else:
                if len(status.pids(generation).difference(but)) >= workers:
                    return status
            if hopeless():
                return None
            await asyncio.sleep(_POLL_SECONDS)
        return None


async def until_leaving(workers: Collection[_procfs.Process], seconds: float) -> None:
    """Wait, at most for some time, until workers that are told to finish take no new connections.

    nginx's master tells them a tenth of a second after it has started their successors.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    staying = list(workers)
    while staying and asyncio.get_running_loop().time() < deadline:
        staying = [worker for worker in staying if worker.alive and _LEAVING not in worker.title]
        if staying:
            await asyncio.sleep(_POLL_SECONDS)
