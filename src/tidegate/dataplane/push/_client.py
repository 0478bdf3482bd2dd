"""The controller's side of the keeper's socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tidegate.dataplane.keeper import frames
from tidegate.dataplane.keeper.paths import StateDir, short
from tidegate.dataplane.keeper.replies import How, Status, Word
from tidegate.dataplane.push._errors import (
    ConfigurationRefused,
    KeeperError,
    KeeperFailed,
    KeeperGone,
    NginxDown,
    PortInUse,
    PushConflict,
    StoreFull,
)
from tidegate.dataplane.render import Rendered
from tidegate.model import Delta

_MOST_IDLE = 4
"""Connections that are kept for the next request."""

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pushed(NamedTuple):
    """A delta that is in force in every worker."""

    version: int
    persisted: bool
    """False while the disk does not take it; the keeper goes on trying."""


class Configured(NamedTuple):
    """A configuration that is in force in every worker."""

    generation: str
    how: How


class KeeperClient:
    """Asks the keeper of one state folder; any number of requests at the same time.

    Every method raises a `KeeperError`. After `KeeperGone` the next request tries a new connection; a delta may be sent
    again then, since it names the version it builds on.
    """

    def __init__(self, state_dir: Path) -> None:
        """Take the folder; nothing is opened yet."""
        self._state = StateDir(state_dir)
        self._idle: list[_Connection] = []

    async def status(self) -> Status:
        """Ask how the data plane is."""
        reply, _ = await self._ask({"op": "status"})
        return msgspec.convert(reply, Status)

    async def push(self, delta: Delta) -> Pushed:
        """Put a delta in force. Raises `PushConflict`, `StoreFull` or `NginxDown`; nothing is in force then."""
        reply, _ = await self._ask({"op": "push"}, delta.to_bytes())
        return Pushed(reply["version"], reply["persisted"])

    async def configure(self, rendered: Rendered) -> Configured:
        """Put a configuration in force: by nothing, a start, a reload, or a hand-over to a new nginx.

        Raises `ConfigurationRefused` or `PortInUse`; the previous configuration is in force then.
        """
        header = {
            "op": "configure",
            "generation": rendered.generation,
            "profiles": rendered.profiles,
            "listeners": rendered.listeners,
            "workers": rendered.workers,
            "datagrams": rendered.datagrams,
            "access_log": msgspec.to_builtins(rendered.access_log),
        }
        reply, _ = await self._ask(header, rendered.text.encode())
        return Configured(reply["generation"], How(reply["how"]))

    async def dump(self) -> Delta:
        """Get everything that is in force, with the entries that only the disk holds, as one delta of base 0."""
        _, payload = await self._ask({"op": "dump"})
        return Delta.from_bytes(payload)

    async def handover(self) -> None:
        """Replace nginx by a new one on the same sockets."""
        await self._ask({"op": "handover"})

    async def counters(self) -> dict[str, dict[str, int]]:
        """Get the number of requests by route id and status class since nginx started."""
        _, payload = await self._ask({"op": "counters"})
        return msgspec.json.decode(payload, type=dict[str, dict[str, int]])

    async def health(self) -> dict[str, Any]:
        """Get what nginx knows against endpoints (the inner contract says how)."""
        _, payload = await self._ask({"op": "health"})
        return msgspec.json.decode(payload, type=dict[str, Any])

    async def drain(self, grace: float) -> None:
        """Let health fail at once and nginx end after `grace` seconds; `Status.master` is 0 once it has."""
        await self._ask({"op": "drain", "grace": grace})

    async def stop(self) -> None:
        """Let nginx finish its requests, and the keeper end with it. Returns at once; see `until_gone`."""
        await self._ask({"op": "stop"})

    async def until_gone(self) -> None:
        """Wait until the keeper has ended."""
        try:
            reader, writer = await self._connect()
        except KeeperGone:
            return
        try:
            # Nothing is ever sent unasked: the end of the stream is the keeper's.
            await reader.read()
        except OSError:
            pass
        finally:
            writer.close()

    async def close(self) -> None:
        """Close all connections."""
        while self._idle:
            _, writer = self._idle.pop()
            writer.close()
            await _closed(writer)

    # --- frames ---------------------------------------------------------------------------------------------

    async def _ask(self, header: Mapping[str, Any], payload: bytes = b"") -> tuple[dict[str, Any], bytes]:
        connection = await self._connection()
        done = False
        try:
            await frames.write(connection[1], header, payload)
            reply, data = await frames.read(connection[0])
            done = True
        except (OSError, asyncio.IncompleteReadError, frames.BadFrame) as e:
            raise KeeperGone(f"the keeper of {self._state.root} ended before it answered") from e
        finally:
            if done and len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
            else:
                connection[1].close()
        if not reply.get("ok"):
            raise _error(reply)
        return reply, data

    async def _connection(self) -> _Connection:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await self._connect()

    async def _connect(self) -> _Connection:
        try:
            with short(self._state.socket) as name:
                return await asyncio.open_unix_connection(name)
        except OSError as e:
            raise KeeperGone(f"no keeper answers in {self._state.root}") from e


async def _closed(writer: asyncio.StreamWriter) -> None:
    try:
        await writer.wait_closed()
    except OSError:
        return


def _error(reply: Mapping[str, Any]) -> KeeperError:
    message = str(reply.get("message", ""))
    match reply.get("error"):
        case Word.CONFLICT:
            return PushConflict(message, int(reply.get("version", 0)))
        case Word.FULL:
            return StoreFull(message, str(reply.get("key", "")))
        case Word.DOWN:
            return NginxDown(message)
        case Word.REFUSED:
            return ConfigurationRefused(message)
        case Word.IN_USE:
            return PortInUse(message, str(reply.get("address", "")), int(reply.get("port", 0)))
        case _:
            return KeeperFailed(message)
