"""The pusher: sends what the queue gives, one delta at a time, and tells the queue what came of it.

It never gives up: nginx that is down, a keeper that is gone and a version that does not match are waited for or put
right, and what does not fit is said in findings while everything else goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from tidegate.dataplane.delta._groups import Group, Parked
from tidegate.dataplane.delta._queue import Batch, Queue
from tidegate.dataplane.push import KeeperError, KeeperGone, PushConflict, Pushed, StoreFull
from tidegate.findings import Effect, Finding
from tidegate.model import Cause, Delta

SLICE: Final = 100
"""Entries that are compared before others get their turn: about a millisecond."""

_RETRY: Final = 0.05
_LONGEST_RETRY: Final = 2.0
"""Seconds after a push that found nobody; doubled each time."""

_FULL_RETRY: Final = 5.0
_LONGEST_FULL_RETRY: Final = 60.0
_ROOM_RETRY: Final = 0.5
"""Seconds after something was removed: there may be room now."""

_RESYNC: Final = Cause("resync")


_NOT_PERSISTED: Final = Finding(
    Effect.FAILED,
    "NotPersisted",
    "",
    field="",
    value="",
    accepted="room on the disk of --state-dir",
    message="the disk lacks changes that are in force: they would be lost if nginx had to start again",
)


class Keeper(Protocol):
    """What the pusher asks of the keeper's client."""

    async def push(self, delta: Delta) -> Pushed:
        """Put a delta in force."""

    async def dump(self) -> Delta:
        """Give everything that is in force."""


class Pusher:
    """Keeps nginx in step with the queue."""

    def __init__(
        self,
        queue: Queue,
        keeper: Keeper,
        wanted: Callable[[], Mapping[str, bytes]],
        revive: Callable[[], Awaitable[None]],
    ) -> None:
        """Take the queue, the keeper, all entries that are wanted now, and what to do about a dead keeper."""
        self._queue = queue
        self._keeper = keeper
        self._wanted = wanted
        self._revive = revive
        self._wake = asyncio.Event()
        self._full_retry = _FULL_RETRY
        self._full_at = 0.0
        self._target: int | None = None
        self.version = 0
        """In force."""
        self.persisted = True
        """False while the disk lacks what is in force; true again when the keeper says so."""
        self.pushed = 0
        """Deltas that came in force."""
        self.last_time = 0.0
        """Unix seconds of the last of them; 0 before the first."""
        self.conflicts = 0
        self.seconds: deque[float] = deque(maxlen=1000)
        """What the last deltas took from here to their acknowledgement."""
        self.on_progress: Callable[[], None] = lambda: None
        """Called after each delta, whatever came of it."""

    def wake(self) -> None:
        """Say that the queue may have something to send."""
        self._wake.set()

    async def adopt(self) -> dict[str, bytes]:
        """Learn what is in force; gives it, with the entries that are kept on disk only. Raises `KeeperError`."""
        dump = await self._keeper.dump()
        self._queue.forget()
        self.version = dump.version
        entries = {key: value for key, value in dump.changes.items() if value is not None}
        for at, entry in enumerate(entries.items()):
            self._queue.adopt([entry])
            if at % SLICE == 0:
                await asyncio.sleep(0)
        return entries

    async def run(self) -> None:
        """Push until cancelled."""
        pause = _RETRY
        while True:
            self._retry_full()
            batch = self._queue.take()
            if batch is None:
                self.on_progress()
                await self._wait()
                continue
            if await self._send(batch):
                pause = _RETRY
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_RETRY)
            self.on_progress()

    async def resync(self) -> None:
        """Learn anew what is in force, and offer the difference to what is wanted. Raises `KeeperError`."""
        was_aimed, self._target = self._target is not None, None
        await self.adopt()
        for at, key in enumerate(list(self._wanted())):
            if (value := self._wanted().get(key)) is not None:
                self._queue.resync({key: value}, _RESYNC)
            if at % SLICE == 0:
                await asyncio.sleep(0)
        self.retire()
        if was_aimed:
            self.aim()

    def aim(self) -> None:
        """Remember everything that was offered up to now; see `is_there`."""
        self._target = self._queue.mark

    @property
    def is_there(self) -> bool:
        """Tell whether all that was offered up to `aim` is in force."""
        return self._target is not None and self._queue.is_done(self._target)

    def retire(self) -> None:
        """Offer the removal of everything that is in force and not wanted."""
        wanted = self._wanted()
        # Facts about the node are whoever states them who takes them back.
        gone = [key for key in self._queue.in_force() if key not in wanted and not key.startswith("s/")]
        self._queue.resync(dict.fromkeys(gone), _RESYNC)
        self.wake()

    # --- one delta ------------------------------------------------------------------------------------------

    async def _send(self, batch: Batch) -> bool:
        """Push a batch; tell whether the keeper was there and did its part."""
        begin = time.monotonic()
        delta = Delta(self.version + 1, self.version, time.time(), batch.changes, batch.causes)
        try:
            done = await self._keeper.push(delta)
        except PushConflict:
            return await self._recover()
        except StoreFull:
            self._queue.set_aside(batch)
            self._full_at = time.monotonic() + self._full_retry
            return True
        except KeeperError as error:
            self._queue.give_back(batch)
            if isinstance(error, KeeperGone):
                await self._revive()
            return False
        except asyncio.CancelledError:
            self._queue.give_back(batch)
            raise
        self.version, self.persisted = done
        self.pushed += 1
        self.last_time = time.time()
        self.seconds.append(time.monotonic() - begin)
        self._queue.acknowledge(batch)
        self._note_room(batch)
        return True

    async def _recover(self) -> bool:
        self.conflicts += 1
        try:
            await self.resync()
        except KeeperError:
            # The next push meets the same conflict and comes back here.
            return False
        return True

    async def _wait(self) -> None:
        timeout = max(0.0, self._full_at - time.monotonic()) if self._queue.parked(Parked.FULL) else None
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    # --- what does not fit ----------------------------------------------------------------------------------

    def _note_room(self, batch: Batch) -> None:
        if self._queue.parked(Parked.FULL) and any(value is None for value in batch.changes.values()):
            self._full_at = min(self._full_at, time.monotonic() + _ROOM_RETRY)

    def _retry_full(self) -> None:
        now = time.monotonic()
        if not self._queue.parked(Parked.FULL):
            self._full_retry = _FULL_RETRY
        elif now >= self._full_at:
            self._full_retry = min(2 * self._full_retry, _LONGEST_FULL_RETRY)
            self._full_at = now + self._full_retry
            self._queue.retry_full()

    def findings(self) -> tuple[Finding, ...]:
        """Say what is not in force because nginx's memory is full."""
        return tuple(
            _full(cause, group) for group in self._queue.parked(Parked.FULL) for cause in group.causes
        )


def _full(cause: Cause, group: Group) -> Finding:
    return Finding(
        Effect.FAILED,
        "StoreFull",
        cause.object,
        field="",
        value=f"{len(group.changes)} entries, {group.size} bytes",
        accepted="a larger --store-size, or fewer objects",
        message="nginx's memory for entries is full: what was in force before stays in force",
    )
