"""The source that is a folder of manifests: watches it, reads what changed, tells what that means.

Work is proportional to what changed: only files that the kernel names are read, and of a file only documents that
differ. The event loop is kept for about two milliseconds at a time; files too large for that are read by other processes.

Nothing in the folder raises. A folder that is missing, or cannot be read, keeps what was in force and says so.
"""

# Paths are keys of large maps here: plain strings, which take a third of the room of Path.
# ruff: noqa: ASYNC240, PTH112, PTH118

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Final

from tidegate.findings import Effect, Finding
from tidegate.kube.objects import Ref
from tidegate.sources import _limits, _opening, _places
from tidegate.sources._batches import Batch, Place
from tidegate.sources._fast_lane import FastLane
from tidegate.sources._intake import Intake
from tidegate.sources._ledger import Ledger
from tidegate.sources._queue import Group, Queue
from tidegate.sources._steps import Priority
from tidegate.sources._tree import Blocked, Seen, Tree
from tidegate.sources._watching import Watcher

POLL_SECONDS: Final = 1.0
"""How often a folder that is not there, or cannot be watched, is looked for."""

_HERE: Final = "source"


class FolderSource:
    """A folder of manifests."""

    def __init__(
        self,
        folder: Path,
        *,
        file_bytes: int = _limits.FILE_BYTES,
        workers: int = 0,
        priority: Priority | None = None,
    ) -> None:
        """Take the folder; the largest file to be read, in bytes; how many processes may read large files (0: by cores).

        ``priority``: what long work here gives way to.
        """
        self._root = os.path.normpath(folder)
        self._ledger = Ledger()
        self._watcher = Watcher()
        self._tree = Tree(self._root, self._watcher)
        self._queue = Queue(self._tree.touched, self._tree.lost, _is_settled)
        self._priority = priority or Priority()
        self._news = asyncio.Event()
        self._is_listed = False
        self._is_busy = True
        """False while nothing is left to be dealt with."""
        self._told: asyncio.Queue[Batch | None] = asyncio.Queue()
        """In order; None: a task has ended."""
        self._intake = Intake(
            self._ledger, file_bytes, workers or min(4, os.cpu_count() or 1), self._priority
        )
        self._lane = FastLane(self._queue, self._tree, self._intake, self._tell_first)

    def locate(self, ref: Ref, field: str = "") -> Place | None:
        """Give the place of an object in force, or of one of its fields (as findings name it)."""
        place = self._ledger.place(ref)
        return _places.refine(place, field) if place else None

    def ignored_kinds(self) -> Mapping[str, int]:
        """Count the objects in the folder whose kinds are not read, by kind."""
        return self._ledger.ignored()

    async def batches(self) -> AsyncIterator[Batch]:
        """Give the complete listing, then what changes, as long as the caller asks. To be called once."""
        tasks = [asyncio.create_task(self._listen())]
        tasks[0].add_done_callback(lambda _: self._intake.wake.set())
        try:
            async for batch in self._list():
                yield batch
            self._is_listed = True
            tasks += [asyncio.create_task(work) for work in (self._go_on(tasks[0]), self._overtake())]
            for task in tasks[1:]:
                task.add_done_callback(lambda _: self._told.put_nowait(None))
            while (told := await self._told.get()) is not None:
                yield told
                self._told.task_done()
                if self._told.empty():
                    self._priority.end(_HERE)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._intake.close()
            self._watcher.close()

    async def _go_on(self, listener: asyncio.Task[None]) -> None:
        """Deal with one group of news after the other, however large."""
        while True:
            await self._settle(await self._next_group(listener))
            batch = await self._intake.pace.run(self._ledger.take())
            self._tell(batch)
            await self._told.join()

    def _tell(self, batch: Batch) -> None:
        if batch.changes or batch.findings_by_file:
            self._told.put_nowait(batch)

    async def _overtake(self) -> None:
        """Deal with small files at once while something else is being dealt with: endpoints do not wait for a resync."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._overtake_once():  # noqa: ASYNC110 (it gives way between two groups)
                await asyncio.sleep(0)

    def _overtake_once(self) -> bool:
        """Deal with one group of news beside the work at hand; False if there is none, or no such work."""
        return self._is_listed and self._is_busy and self._lane.once()

    def _tell_first(self, batch: Batch) -> None:
        self._priority.begin(_HERE)
        self._tell(batch)

    # --- news ---------------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Empty the kernel's queue all the time, so that it does not overflow while a batch is dealt with."""
        async for news in self._watcher.news():
            self._queue.add(news, monotonic())
            # At once, since each turn of the event loop may take a millisecond now.
            if not self._overtake_once():
                self._intake.wake.set()
            self._news.set()

    async def _next_group(self, listener: asyncio.Task[None]) -> Group:
        """Wait until something has to be looked at, or was read; in the latter case the group may be empty."""
        while True:
            self._intake.wake.clear()
            if listener.done():
                listener.result()
            found, again = await self._intake.collect()
            if found:
                return Group(again)
            group = self._queue.next(monotonic())
            if group is not None:
                return group
            if not await self._sleep(self._queue.delay(monotonic())):
                return Group(everything=True)

    async def _sleep(self, delay: float | None) -> bool:
        """Wait for news or for the delay (seconds); False if it is time to look through what cannot be watched."""
        poll = delay is None and (self._tree.unwatched or not os.path.isdir(self._root))
        self._is_busy = False
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS if poll else delay):
                    await self._intake.wake.wait()
                    return True
            return not poll
        finally:
            self._is_busy = True

    # --- looking ------------------------------------------------------------------------------------------------------

    async def _list(self) -> AsyncIterator[Batch]:
        """Give the complete listing; before it, if the folder is not there yet, the finding that says so."""
        while not await self._look_all():
            batch = await self._intake.pace.run(self._ledger.take())
            if batch.findings_by_file:
                yield batch
            await self._sleep(POLL_SECONDS)
            self._intake.wake.clear()
        self._queue.look_at(await self._intake.wait())
        yield await self._intake.pace.run(self._ledger.take(initial=True))

    async def _settle(self, group: Group) -> None:
        """Bring the ledger up to date with the paths of a group: what is there first, then what is gone."""
        if group.everything or self._root in group.present or self._root in group.gone:
            await self._look_all()
            return
        files: list[Seen] = []
        gone: list[str] = []
        for path in group.present:
            found, unseen = await self._look(path)
            files += found
            self._away(unseen)
        for path in group.gone:
            found, unseen = await self._look(path)
            files += found
            gone += unseen
        # A later look may have shown that the folder of an earlier find is none that counts.
        there = {f.path: f for f in files if self._tree.counts(f.path)}
        self._away(await self._intake.take(there.values()))
        if gone and not os.path.isdir(self._root):
            await self._look_all()  # what is gone went with the folder, and so stays in force
            return
        self._intake.in_hand.update(gone)
        for path in gone:
            if self._tree.plain(path) is None:  # else it came back meanwhile, and there are news of that
                await self._intake.drop(path)
            self._intake.in_hand.discard(path)

    async def _look_all(self) -> bool:
        """Look through the whole folder. False if it is not there or cannot be read; then all stays as it was."""
        files, unseen = await self._look(self._root)
        if not os.path.isdir(self._root):
            self._ledger.fail(self._root, _missing(self._root))
            return False
        if self._tree.unwatched:
            self._ledger.fail(self._root, _unwatched(self._root))
        self._away(unseen)
        self._away(await self._intake.take(files))
        return self._tree.unwatched or self._root not in self._ledger.files

    async def _look(self, path: str) -> tuple[list[Seen], list[str]]:
        """Give the files at or under a path that have to be read, and the known ones that are not there any more."""
        seen: set[str] = set()
        blocked: list[str] = []
        files: list[Seen] = []
        for one in self._tree.look(path):
            if isinstance(one, Seen):
                seen.add(one.path)
                # The kernel said that this very path was written: that counts more than its unchanged times.
                if one.path == path or self._intake.is_new(one):
                    files.append(one)
            elif isinstance(one, Blocked):
                blocked.append(one.path)
                self._ledger.fail(one.path, _opening.unreadable(one.path, one.error))
            await self._intake.pace.rest()
        if path in seen:
            return files, []
        unseen = [f for f in self._known_under(path) if f not in seen and not _is_under(f, blocked)]
        if self._root in unseen:
            unseen.remove(self._root)
            await self._intake.drop(self._root)
        return files, unseen

    def _known_under(self, path: str) -> list[str]:
        """Give the files known at or under a path, and the folders there that could not be read."""
        file = self._ledger.files.get(path)
        if file is not None and file.documents:
            return [path]
        start = os.path.join(path, "")
        return [f for f in self._ledger.files if f == path or f.startswith(start)]

    def _away(self, paths: list[str]) -> None:
        for path in paths:
            self._queue.missing(path, monotonic())


def _is_settled(path: str) -> bool:
    """Tell whether a path that came is complete although no writer has closed it: a folder, or a link of either sort."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return not stat.S_ISREG(status.st_mode) or status.st_nlink > 1


def _is_under(path: str, folders: list[str]) -> bool:
    return any(path == f or path.startswith(f"{f}/") for f in folders)


def _missing(path: str) -> Finding:
    message = "this is not a folder" if os.path.lexists(path) else "there is no such folder"
    accepted = "a folder that exists; it is read as soon as it does"
    return Finding(Effect.FAILED, "FolderMissing", "", "", path, accepted, message, path)


def _unwatched(path: str) -> Finding:
    message = f"the kernel allows no more watches on folders; changes are looked for every {POLL_SECONDS:g} s"
    return Finding(
        Effect.FAILED, "TooManyFolders", "", "", path, "a higher fs.inotify.max_user_watches", message, path
    )
