"""The pusher brings nginx to what is wanted whatever the keeper says on the way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tidegate import model
from tidegate.dataplane.delta import Pusher, Queue, _pusher
from tidegate.dataplane.push import KeeperError, KeeperGone, NginxDown, PushConflict, Pushed, StoreFull
from tidegate.findings import Effect
from tidegate.model import Backend, Cause, Delta, Endpoint


def backend(*ports: int) -> bytes:
    return model.encode(Backend(tuple(Endpoint("10.0.0.1", port) for port in ports)))


class Memory:
    """A keeper with an nginx of limited memory, which fails as the test says."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.version = 0
        self.entries: dict[str, bytes] = {}
        self.room = room
        self.trouble: list[KeeperError] = []
        self.deltas: list[Delta] = []

    async def push(self, delta: Delta) -> Pushed:
        await asyncio.sleep(0)
        if self.trouble:
            raise self.trouble.pop(0)
        if delta.base != self.version:
            raise PushConflict("another version", self.version)
        after = dict(self.entries)
        for key, value in delta.changes.items():
            after.pop(key, None)
            if value is not None:
                after[key] = value
        if sum(map(len, after.values())) > self.room:
            raise StoreFull("full", next(iter(delta.changes)))
        self.entries, self.version = after, delta.version
        self.deltas.append(delta)
        return Pushed(self.version, persisted=True)

    async def dump(self) -> Delta:
        return Delta(self.version, 0, 0.0, dict(self.entries))


class Rig:
    """A pusher at work between a queue and a keeper in memory."""

    def __init__(self, keeper: Memory) -> None:
        self.keeper = keeper
        self.queue = Queue()
        self.wanted: dict[str, bytes] = {}
        self.revived = 0
        self.pusher = Pusher(self.queue, keeper, lambda: self.wanted, self._revive)

    async def _revive(self) -> None:
        self.revived += 1

    def want(self, changes: dict[str, bytes | None], cause: str = "Ingress a/b") -> None:
        for key, value in changes.items():
            self.wanted.pop(key, None)
            if value is not None:
                self.wanted[key] = value
        self.queue.offer(changes, dict.fromkeys(changes, Cause(cause)))
        self.pusher.wake()

    async def until(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not what():  # noqa: ASYNC110 (what is waited for tells nobody)
                await asyncio.sleep(0.002)

    async def settled(self) -> None:
        await self.until(lambda: self.keeper.entries == self.wanted and not len(self.queue))


@asynccontextmanager
async def at_work(keeper: Memory) -> AsyncIterator[Rig]:
    rig = Rig(keeper)
    await rig.pusher.adopt()
    task = asyncio.create_task(rig.pusher.run())
    try:
        yield rig
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a tenth of what a gateway does."""
    for name in ("_RETRY", "_FULL_RETRY", "_ROOM_RETRY"):
        monkeypatch.setattr(_pusher, name, getattr(_pusher, name) / 10)


async def test_what_is_wanted_comes_into_force_and_says_why() -> None:
    async with at_work(Memory()) as rig:
        rig.want({"b/x": backend(1)}, "Service a/x")
        await rig.settled()
        assert rig.keeper.deltas[0].causes == (Cause("Service a/x"),)
        assert rig.pusher.version == rig.keeper.version == 1


@pytest.mark.parametrize("error", [NginxDown("down"), KeeperGone("gone")])
async def test_a_push_that_finds_nobody_is_sent_again(error: KeeperError) -> None:
    keeper = Memory()
    keeper.trouble = [error, error, error]
    async with at_work(keeper) as rig:
        rig.want({"b/x": backend(1)})
        await rig.settled()
        assert rig.revived == (3 if isinstance(error, KeeperGone) else 0)


async def test_after_a_conflict_exactly_the_difference_is_sent() -> None:
    async with at_work(Memory()) as rig:
        rig.want({f"b/{n}": backend(n) for n in range(500)})
        await rig.settled()
        # As after a push whose answer was lost, and with what a stranger wrote.
        rig.keeper.version += 7
        rig.keeper.entries["b/stranger"] = backend(9)
        del rig.keeper.entries["b/3"]
        before = len(rig.keeper.deltas)
        rig.want({"b/new": backend(1)})
        await rig.settled()
        sent = {key for delta in rig.keeper.deltas[before:] for key in delta.changes}
        assert sent == {"b/stranger", "b/3", "b/new"}
        assert rig.pusher.conflicts == 1


async def test_what_does_not_fit_is_said_and_holds_up_nobody() -> None:
    async with at_work(Memory(room=4000)) as rig:
        rig.queue.offer({"b/huge": backend(*range(1000))}, {"b/huge": Cause("EndpointSlice a/huge")})
        rig.want({"b/small": backend(1)})
        await rig.until(lambda: "b/small" in rig.keeper.entries and rig.pusher.findings())
        (finding,) = rig.pusher.findings()
        assert (finding.effect, finding.type, finding.object) == (
            Effect.FAILED,
            "StoreFull",
            "EndpointSlice a/huge",
        )
        assert "--store-size" in finding.accepted


async def test_what_did_not_fit_comes_into_force_once_there_is_room() -> None:
    async with at_work(Memory(room=3000)) as rig:
        rig.want({"b/large": backend(*range(120))}, "Service a/large")
        await rig.settled()
        rig.want({"b/next": backend(*range(120))}, "Service a/next")
        await rig.until(rig.pusher.findings)
        rig.want({"b/large": None}, "Service a/large")
        await rig.settled()
        assert not rig.pusher.findings()


async def test_a_new_controller_that_wants_the_same_sends_nothing() -> None:
    keeper = Memory()
    keeper.entries, keeper.version = {"b/x": backend(1), "s/ready": b'{"value":true}'}, 5
    async with at_work(keeper) as rig:
        rig.want({"b/x": backend(1)})
        rig.pusher.retire()
        rig.pusher.aim()
        await rig.until(lambda: rig.pusher.is_there)
        assert keeper.deltas == []


async def test_a_new_controller_removes_what_it_does_not_want() -> None:
    keeper = Memory()
    keeper.entries, keeper.version = {"b/x": backend(1), "b/old": backend(1)}, 5
    async with at_work(keeper) as rig:
        rig.want({"b/x": backend(1)})
        rig.pusher.retire()
        await rig.settled()
        assert [dict(delta.changes) for delta in keeper.deltas] == [{"b/old": None}]
