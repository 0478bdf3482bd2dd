"""What is kept on disk, and the helper processes that work on all of it.

The keeper itself never holds the entries: it appends to the journal, and has others merge it, write what nginx starts
from, and give it out whole.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tidegate.dataplane.journal import Journal
from tidegate.dataplane.keeper import _log
from tidegate.dataplane.keeper._children import Children, Outcome
from tidegate.dataplane.keeper._faults import Fault

_HELPER_SECONDS = 120.0
"""For one piece of work; a hundred megabytes take about one."""

_COMPACTION_PAUSE = 60.0
"""Seconds after a compaction that failed."""


class Records:
    """The journal with its helpers."""

    def __init__(self, journal: Journal, children: Children) -> None:
        """Take an open journal."""
        self.journal = journal
        self._children = children
        self._compaction: asyncio.Task[None] | None = None
        self._not_before = 0.0

    def append(self, delta: bytes) -> bool:
        """Keep a delta that is in force; tell whether it is on disk."""
        before = self.journal.trouble
        persisted = self.journal.append(delta)
        if self.journal.trouble and not before:
            _log.warning("the disk does not take the change", reason=self.journal.trouble)
        return persisted

    async def write_restore(self, path: Path) -> int:
        """Write what a new nginx starts from; give its version. Raises `Fault`."""
        outcome = await self._help("restore", str(path), stdin=self.journal.waiting)
        return int(outcome.output)

    async def dump(self) -> bytes:
        """Give one delta of everything that is kept. Raises `Fault`."""
        return (await self._help("dump", stdin=self.journal.waiting)).output

    async def rebase(self, entries: bytes) -> None:
        """Take over what nginx holds (a delta of base 0), beside what only the disk holds. Raises `Fault`."""
        outcome = await self._help("rebase", stdin=entries)
        if not self.append(outcome.output):
            raise Fault(f"the disk does not take the state: {self.journal.trouble}")

    async def _help(self, work: str, *arguments: str, stdin: bytes = b"") -> Outcome:
        outcome = await self._children.run(
            [sys.executable, "-m", "tidegate.dataplane.journal", work, str(self.journal.folder), *arguments],
            seconds=_HELPER_SECONDS,
            stdin=stdin,
        )
        if outcome.code != 0:
            raise Fault(outcome.errors.strip() or f"{work} ended with code {outcome.code}")
        return outcome

    async def tick(self) -> None:
        """Write what waits, make it durable, and merge when it is time to. Call it each second, never twice at once."""
        if not self.journal.persisted and self.journal.retry():
            _log.info("the disk takes changes again", version=self.journal.version)
        try:
            await asyncio.to_thread(self.journal.sync)
        except OSError as e:
            _log.warning("the journal cannot be made durable", reason=e.strerror)
        now = asyncio.get_running_loop().time()
        if self.journal.compaction_due and self._compaction is None and now >= self._not_before:
            self._compaction = asyncio.create_task(self._compact())

    async def _compact(self) -> None:
        began = asyncio.get_running_loop().time()
        try:
            upto = self.journal.rotate()
            await self._help("compact", str(upto))
            self.journal.compacted(upto)
            seconds = asyncio.get_running_loop().time() - began
            _log.info("merged the journal", segment=upto, seconds=f"{seconds:.3f}")
        except (Fault, OSError) as e:
            self._not_before = began + _COMPACTION_PAUSE
            _log.warning("the journal could not be merged", reason=e)
        finally:
            self._compaction = None

    async def close(self) -> None:
        """Write what waits and close the journal; a merge that runs is given up."""
        if self._compaction is not None:
            self._compaction.cancel()
        self.journal.retry()
        self.journal.close()
