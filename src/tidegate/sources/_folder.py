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
from tidegate.sources._intake import Intake
from tidegate.sources._ledger import Ledger
from tidegate.sources._queue import Group, Queue
from tidegate.sources._tree import Blocked, Seen, Tree
from tidegate.sources._watching import Watcher

POLL_SECONDS: Final = 1.0
"""How often a folder that is not there, or cannot be watched, is looked for."""


class FolderSource:
    """A folder of manifests."""

    def __init__(self, folder: Path, *, file_bytes: int = _limits.FILE_BYTES, workers: int = 0) -> None:
        """Take the folder; the largest file to be read, in bytes; how many processes may read large files (0: by cores)."""
        self._root = os.path.normpath(folder)
        self._ledger = Ledger()
        self._watcher = Watcher()
        self._tree = Tree(self._root, self._watcher)
        self._queue = Queue(self._tree.touched, self._tree.lost, _is_settled)
        self._intake = Intake(self._ledger, file_bytes, workers or min(4, os.cpu_count() or 1))

    def locate(self, ref: Ref, field: str = "") -> Place | None:
        """Give the place of an object in force, or of one of its fields (as findings name it)."""
        place = self._ledger.place(ref)
        return _places.refine(place, field) if place else None

    def ignored_kinds(self) -> Mapping[str, int]:
        """Count the objects in the folder whose kinds are not read, by kind."""
        return self._ledger.ignored()

    async def batches(self) -> AsyncIterator[Batch]:
        """Give the complete listing, then what changes, as long as the caller asks. To be called once."""
        listener = asyncio.create_task(self._listen())
        listener.add_done_callback(lambda _: self._intake.wake.set())
        try:
            async for batch in self._list():
                yield batch
            while True:
                await self._settle(await self._next_group(listener))
                batch = await self._intake.pace.run(self._ledger.take())
                if batch.changes or batch.findings_by_file:
                    yield batch
        finally:
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener
            await self._intake.close()
            self._watcher.close()

    # --- news ---------------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Empty the kernel's queue all the time, so that it does not overflow while a batch is dealt with."""
        async for news in self._watcher.news():
            self._queue.add(news, monotonic())
            self._intake.wake.set()

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
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS if poll else delay):
                await self._intake.wake.wait()
                return True
        return not poll

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
        for path in gone:
            await self._intake.drop(path)

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
