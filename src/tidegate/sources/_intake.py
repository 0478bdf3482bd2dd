"""From files that may have changed to the ledger: the small ones read here, the large ones by workers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from typing import Final

from tidegate.findings import Finding
from tidegate.sources import _opening, _reading, _steps
from tidegate.sources._batches import Batch
from tidegate.sources._ledger import Ledger
from tidegate.sources._merging import Merge
from tidegate.sources._reading import Document
from tidegate.sources._tree import Seen
from tidegate.sources._wire import Job, unpack
from tidegate.sources._workers import Worker, shares

INLINE_BYTES: Final = 64 * 1024
"""A file up to this size is read in the event loop: one or two milliseconds."""

EXACT_BYTES: Final = 16 * 1024
"""A document up to this size may be read by the exact reader (some 5 MB/s) in the event loop."""

SMALL_BYTES: Final = 32 * 1024
SMALL_DOCUMENTS: Final = 64
"""A file up to this size may overtake larger ones: it is read and taken in one go."""

MUCH_BYTES: Final = 1024 * 1024
"""More than this at once is read by workers: in slices here it would take about as long as their start."""

SHARE_BYTES: Final = 2 * 1024 * 1024
"""How much a worker is given at a time."""


class _Flight:
    """A file that a worker reads."""

    __slots__ = ("again", "dropped")

    def __init__(self) -> None:
        self.again = False
        """It changed meanwhile."""
        self.dropped = False
        """It was gone, or read by another, meanwhile: what the worker has read counts for nothing."""


class Intake:
    """Reads files into a ledger."""

    def __init__(
        self, ledger: Ledger, file_bytes: int, workers: int, priority: _steps.Priority | None = None
    ) -> None:
        """Take the size of the largest file to be read, how many processes may read large ones, and what goes first."""
        self.wake = asyncio.Event()
        """Set when a worker has read something."""
        self.pace = _steps.Pace(priority)
        self.in_hand: set[str] = set()
        """Files that are just being put into the ledger, or taken out of it."""
        self._ledger = ledger
        self._file_bytes = file_bytes
        self._signatures: dict[str, int] = {}
        self._workers = [Worker() for _ in range(workers)]
        self._flights: dict[str, _Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None
        self._read: list[tuple[str, Merge | Finding | None]] = []
        """What workers have read: documents, a fault, or None for a file that is gone."""

    def is_new(self, seen: Seen) -> bool:
        """Tell whether a file differs from what was read of it."""
        return self._signatures.get(seen.path) != seen.signature

    async def take(self, files: Iterable[Seen]) -> list[str]:
        """Read files, or have them read; give those that were gone by then."""
        files = list(files)
        much = sum(f.size for f in files if f.size <= INLINE_BYTES) > MUCH_BYTES
        missing: list[str] = []
        far: list[Seen] = []
        for seen in files:
            await self.pace.rest()
            self._signatures[seen.path] = seen.signature
            flight = self._flights.get(seen.path)
            if flight is not None:
                flight.again = True
            elif much or seen.size > INLINE_BYTES or not await self._take_here(seen, missing):
                far.append(seen)
        await self._send(far)
        return missing

    async def drop(self, path: str) -> None:
        """Take that a file is gone."""
        self._signatures.pop(path, None)
        flight = self._flights.get(path)
        if flight is not None:
            flight.dropped = True
        with self._holding(path):
            await self.pace.run(self._ledger.drop(path))

    def overtake(self, files: Iterable[Seen]) -> Batch | None:
        """Read small files at once and give what changed by them, although other work is only half done.

        None, and nothing is taken, if they have to wait for it.
        """
        read: dict[str, list[Document]] = {}
        signatures = {}
        for seen in files:
            documents = self._read_small(seen)
            if documents is None:
                return None
            read[seen.path] = documents
            signatures[seen.path] = seen.signature
        batch = self._ledger.overtake(read)
        if batch is not None:
            self._signatures |= signatures
            for path in read:
                if path in self._flights:
                    self._flights[path].dropped = True
        return batch

    async def collect(self) -> tuple[bool, list[str]]:
        """Put what workers have read into the ledger; tell whether there was something, and what to look at (again)."""
        if self._error is not None:
            raise self._error
        read, self._read = self._read, []
        look: list[str] = []
        for path, found in read:
            flight = self._flights.pop(path)
            if flight.again or found is None:
                look.append(path)
            if found is None or flight.dropped:
                continue
            if isinstance(found, Merge):
                with self._holding(path):
                    await self.pace.run(self._ledger.put(path, found.documents))
            else:
                self._ledger.fail(path, found)
        return bool(read), look

    async def wait(self) -> list[str]:
        """Put everything into the ledger that workers are still to read; give what to look at (again)."""
        look: list[str] = []
        while self._flights:
            await self.wake.wait()
            self.wake.clear()
            look += (await self.collect())[1]
        return look

    async def close(self) -> None:
        """End all reading, and the processes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in self._workers:
            await worker.close()

    async def _take_here(self, seen: Seen, missing: list[str]) -> bool:
        """Read a file here; False if that would take too long."""
        with self._holding(seen.path):
            return await self._read_here(seen, missing)

    async def _read_here(self, seen: Seen, missing: list[str]) -> bool:
        try:
            data = _opening.load(seen.path, self._file_bytes)
        except FileNotFoundError:
            missing.append(seen.path)
            return True
        if not isinstance(data, bytes):
            self._ledger.fail(seen.path, data)
            return True
        merge = await self._merge(seen.path)
        try:
            for found in _reading.read(seen.path, data, merge.known(), EXACT_BYTES):
                merge.add(found)
                await self.pace.rest()
        except _reading.TooSlow:
            return False
        await self.pace.run(self._ledger.put(seen.path, merge.documents))
        return True

    def _read_small(self, seen: Seen) -> list[Document] | None:
        """Read a file in one go; None if that takes too long, or cannot be done beside what is at hand."""
        if seen.path in self.in_hand:
            return None
        file = self._ledger.files.get(seen.path)
        before = file.documents if file is not None else []
        if len(before) > SMALL_DOCUMENTS:
            return None
        try:
            data = _opening.load(seen.path, SMALL_BYTES)
        except FileNotFoundError:
            return None
        if not isinstance(data, bytes):
            return None
        merge = Merge()
        _steps.finish(merge.start(before))
        try:
            for found in _reading.read(seen.path, data, merge.known(), EXACT_BYTES):
                merge.add(found)
        except _reading.TooSlow:
            return None
        return merge.documents

    @contextlib.contextmanager
    def _holding(self, path: str) -> Iterator[None]:
        """Keep a file out of the way of ``overtake``."""
        self.in_hand.add(path)
        try:
            yield
        finally:
            self.in_hand.discard(path)

    async def _merge(self, path: str) -> Merge:
        merge = Merge()
        file = self._ledger.files.get(path)
        if file is not None:
            await self.pace.run(merge.start(file.documents))
        return merge

    async def _send(self, files: list[Seen]) -> None:
        """Have files read by the workers, each share by one that comes free."""
        weights = []
        for seen in files:
            await self.pace.rest()
            self._flights[seen.path] = _Flight()
            weights.append((seen.size, Job(seen.path, self._file_bytes)))
        todo = shares(weights, SHARE_BYTES)
        for worker in self._workers[: len(todo)]:
            task = asyncio.create_task(self._work(worker, todo))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._error = task.exception()
            self.wake.set()

    async def _work(self, worker: Worker, todo: list[list[Job]]) -> None:
        while todo:
            await self._share(worker, todo.pop(0))

    async def _share(self, worker: Worker, jobs: list[Job]) -> None:
        merges = {job.file: await self._merge(job.file) for job in jobs}
        jobs = [Job(j.file, j.limit, tuple(merges[j.file].known())) for j in jobs]
        async for part in worker.read(jobs):
            merge = merges[part.file]
            for entry in part.entries:
                merge.add(unpack(entry))
                await self.pace.rest()
            if part.last:
                del merges[part.file]
                self._read.append((part.file, None if part.gone else part.fault or merge))
                self.wake.set()
