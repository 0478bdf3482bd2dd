"""Old generations of workers that finish their last requests, and the bound on their number."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.dataplane.keeper import _log
from tidegate.dataplane.keeper._instance import Instance
from tidegate.dataplane.keeper._procfs import Process

MOST = 4
"""Old generations that may finish at the same time. Each has the memory of its workers, and streams can keep one alive
for as long as worker_shutdown_timeout."""

_LOOK_SECONDS = 0.05


@dataclass
class Generation:
    """Workers that were told to finish, and the master that is to end with them, if it is."""

    name: str
    workers: set[Process]
    master: Instance | None = None
    folder: Path | None = None
    """Removed once all have ended."""
    since: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def refresh(self) -> bool:
        """Forget who has ended, and tell whether anybody is left."""
        self.workers = {worker for worker in self.workers if worker.alive}
        return bool(self.workers) or (self.master is not None and not self.master.exited.is_set())

    def end(self, number: signal.Signals) -> None:
        """End them now."""
        for worker in self.workers:
            worker.send(number)
        if self.master is not None:
            self.master.signal(number)


class Retired:
    """All old generations, oldest first."""

    def __init__(self) -> None:
        """Begin without any."""
        self._generations: list[Generation] = []

    def __len__(self) -> int:
        """Give how many still have live processes, as of the last `tick`."""
        return len(self._generations)

    def add(
        self,
        name: str,
        workers: Iterable[Process],
        *,
        master: Instance | None = None,
        folder: Path | None = None,
    ) -> None:
        """Take a generation that was told to finish; workers that belong to an older one stay there."""
        known = {worker for generation in self._generations for worker in generation.workers}
        self._generations.append(Generation(name, set(workers) - known, master, folder))

    def tick(self) -> None:
        """Forget those that have ended, and end the oldest if there are too many."""
        left = []
        for generation in self._generations:
            if generation.refresh():
                left.append(generation)
            else:
                _clean(generation)
        self._generations = left
        for generation in left[: max(0, len(left) - MOST)]:
            pids = sorted(worker.pid for worker in generation.workers)
            _log.warning("too many old generations, ending the oldest", generation=generation.name, pids=pids)
            generation.end(signal.SIGTERM)

    async def until_gone(self, seconds: float) -> bool:
        """Wait until all have ended, at most for some time; tell whether they have."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            self.tick()
            if not self._generations:
                return True
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(_LOOK_SECONDS)

    def end_all(self, number: signal.Signals) -> None:
        """End all of them now."""
        for generation in self._generations:
            generation.end(number)


def _clean(generation: Generation) -> None:
    seconds = asyncio.get_running_loop().time() - generation.since
    _log.info("an old generation has ended", generation=generation.name, seconds=f"{seconds:.3f}")
    if generation.folder is not None:
        shutil.rmtree(generation.folder, ignore_errors=True)
