"""Deltas on their way: to nginx first, then to the journal, then acknowledged.

An acknowledged delta is in force in every worker. Should the journal not have what nginx has (the keeper was killed
between the two, or the disk was full for long), nginx is asked for all of it and the journal begins anew with that.
"""

from __future__ import annotations

import asyncio

import msgspec

from tidegate.dataplane.journal import Malformed as MalformedDelta
from tidegate.dataplane.journal import Parts, for_nginx
from tidegate.dataplane.keeper import _log
from tidegate.dataplane.keeper._engine import Engine
from tidegate.dataplane.keeper._faults import Conflict, Down, Fault, Full, Malformed
from tidegate.dataplane.keeper._http import Answer, Unanswered
from tidegate.dataplane.keeper._instance import Instance

_DELTA_SECONDS = 60.0
"""For one delta; one of 256 KiB takes about a millisecond, the largest full one about two seconds."""

_BUSY_SECONDS = 0.05
"""Before another try when a worker is still at the previous delta, or died at it."""

_RECONCILE_PAUSE = 10.0
"""Seconds between attempts to catch up, since each reads all that nginx has."""


class _Reply(msgspec.Struct):
    version: int = 0
    key: str = ""
    error: str = ""
    message: str = ""


class Pushes:
    """What changes the entries in force."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine whose current nginx gets them."""
        self._engine = engine
        self._records = engine.records
        self._not_before = 0.0

    async def push(self, data: bytes) -> tuple[int, bool]:
        """Put a delta in force; give its version and whether it is on disk. Raises `Fault`: nothing is in force then."""
        try:
            parts = for_nginx(data)
        except MalformedDelta as e:
            raise Malformed(str(e)) from e
        async with self._engine.hold:
            instance = self._engine.running
            if instance is None:
                raise Down("nginx does not run")
            try:
                async with asyncio.timeout(_DELTA_SECONDS):
                    await _send(instance, parts)
            except (Unanswered, TimeoutError) as e:
                raise Down(f"nginx does not answer: {e}") from e
            return parts.header.version, self._records.append(data)

    async def dump(self) -> bytes:
        """Give one delta with everything that is in force. Raises `Fault`."""
        if self._records.journal.behind:
            await self.catch_up()
        return await self._records.dump()

    async def compare(self) -> None:
        """Find out whether the journal has what nginx has; without an answer it is taken not to."""
        journal = self._records.journal
        try:
            in_force = (await self._engine.status()).version
        except Down as e:
            _log.warning("it is not known what is in force", reason=e)
            journal.lose_track()
            return
        if in_force != journal.version:
            _log.warning("the journal lacks what is in force", journal=journal.version, in_force=in_force)
            journal.lose_track()

    async def tick(self) -> None:
        """Catch up if the journal is behind and the disk lets us."""
        now = asyncio.get_running_loop().time()
        if not self._records.journal.behind or now < self._not_before or self._engine.running is None:
            return
        self._not_before = now + _RECONCILE_PAUSE
        try:
            if self._records.journal.can_write():
                await self.catch_up()
        except Fault as e:
            _log.warning("the journal does not catch up", reason=e)

    async def catch_up(self) -> None:
        """Begin the journal anew with what nginx has. Raises `Fault`."""
        async with self._engine.hold:
            if not self._records.journal.behind:
                return
            instance = self._engine.running
            if instance is None:
                raise Down("nginx does not run")
            try:
                answer = await instance.push.get("/entries", seconds=_DELTA_SECONDS)
            except Unanswered as e:
                raise Down(f"nginx does not answer: {e}") from e
            if answer.status == 200:
                await self._records.rebase(answer.body)
                _log.info("the journal has caught up", version=self._records.journal.version)
                return
        # An nginx that cannot tell what it has is replaced by one of which it is known.
        _log.warning("nginx does not tell what it has: going back to what the disk has", status=answer.status)
        await self._engine.hand_over(behind=True)


async def _send(instance: Instance, parts: Parts) -> None:
    answer = await instance.push.post("/delta", parts.pieces, seconds=_DELTA_SECONDS)
    resent = answer.resent
    while answer.status == 503:
        await asyncio.sleep(_BUSY_SECONDS)
        answer = await instance.push.post("/delta", parts.pieces, seconds=_DELTA_SECONDS)
        resent |= answer.resent
    _judge(answer, parts.header.version, resent=resent)


def _judge(answer: Answer, version: int, *, resent: bool) -> None:
    if answer.status == 200:
        return
    try:
        reply = msgspec.json.decode(answer.body, type=_Reply)
    except msgspec.MsgspecError:
        reply = _Reply(message=answer.body[:200].decode(errors="replace"))
    if answer.status == 409:
        if resent and reply.version == version:
            return
        raise Conflict(f"version {reply.version} is in force", version=reply.version)
    if answer.status == 507:
        raise Full(f"nginx's memory is full at {reply.key}", key=reply.key)
    if answer.status == 400:
        raise Malformed(reply.message or reply.error)
    raise Fault(f"nginx answered {answer.status}: {reply.error} {reply.message}".strip())
