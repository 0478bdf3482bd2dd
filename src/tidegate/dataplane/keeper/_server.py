"""The keeper's socket: frames in, frames out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tidegate.dataplane.keeper import _configuration, _log, frames, paths
from tidegate.dataplane.keeper._faults import Fault, Malformed
from tidegate.dataplane.keeper._keeper import Keeper
from tidegate.dataplane.keeper.replies import Word

_Header = Mapping[str, Any]
_Reply = tuple[dict[str, Any], bytes]
_Operation = Callable[[_Header, bytes], Awaitable[_Reply]]


class Server:
    """Answers on the socket of a state folder, for any number of connections."""

    def __init__(self, keeper: Keeper) -> None:
        """Take what does the work."""
        self._keeper = keeper
        self._connections: set[asyncio.Task[None]] = set()
        self._operations: dict[str, _Operation] = {
            "status": self._status,
            "push": self._push,
            "configure": self._configure,
            "dump": self._dump,
            "handover": self._handover,
            "counters": self._counters,
            "health": self._health,
            "drain": self._drain,
            "stop": self._stop,
        }

    async def listen(self, path: Path) -> None:
        """Open the socket; one that a dead keeper left behind is replaced. Raises ``OSError``."""
        self._server = await asyncio.start_unix_server(self._accept, sock=_bound(path))

    async def close(self) -> None:
        """Close the socket and all connections. Clients take the end of theirs for the end of the keeper."""
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                header, payload = await frames.read(reader)
                reply, data = await self._answer(header, payload)
                await frames.write(writer, reply, data)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except frames.BadFrame as e:
            _log.warning("a client spoke another language", reason=e)
        finally:
            with contextlib.suppress(OSError):
                writer.close()

    async def _answer(self, header: _Header, payload: bytes) -> _Reply:
        try:
            operation = self._operations.get(str(header.get("op")), _unknown)
            reply, data = await operation(header, payload)
        except Fault as e:
            return {**e.fields, "ok": False, "error": e.word, "message": str(e)}, b""
        except OSError as e:
            _log.warning("not done", op=header.get("op"), reason=e)
            return {"ok": False, "error": Word.FAILED, "message": str(e)}, b""
        except Exception as e:  # noqa: BLE001 - logged, and said
            _log.fault("not done", op=header.get("op"))
            return {"ok": False, "error": Word.FAILED, "message": f"{type(e).__name__}: {e}"}, b""
        return {"ok": True, **reply}, data

    async def _status(self, _header: _Header, _payload: bytes) -> _Reply:
        return msgspec.to_builtins(await self._keeper.status()), b""

    async def _push(self, _header: _Header, payload: bytes) -> _Reply:
        version, persisted = await self._keeper.pushes.push(payload)
        return {"version": version, "persisted": persisted}, b""

    async def _configure(self, header: _Header, payload: bytes) -> _Reply:
        wanted = _configuration.from_request(header, payload)
        # Not given up when the client goes away: half a reload would help nobody.
        how = await asyncio.shield(self._keeper.configure(wanted))
        return {"generation": wanted.generation, "how": how}, b""

    async def _dump(self, _header: _Header, _payload: bytes) -> _Reply:
        return {}, await self._keeper.pushes.dump()

    async def _handover(self, _header: _Header, _payload: bytes) -> _Reply:
        await asyncio.shield(self._keeper.engine.hand_over())
        return {}, b""

    async def _counters(self, _header: _Header, _payload: bytes) -> _Reply:
        return {}, await self._keeper.counters()

    async def _health(self, _header: _Header, _payload: bytes) -> _Reply:
        return {}, await self._keeper.health()

    async def _drain(self, header: _Header, _payload: bytes) -> _Reply:
        try:
            grace = msgspec.convert(header.get("grace", 0), float)
        except msgspec.ValidationError as e:
            raise Malformed(f"grace: {e}") from e
        self._keeper.drain(max(0.0, grace))
        return {}, b""

    async def _stop(self, _header: _Header, _payload: bytes) -> _Reply:
        self._keeper.stop()
        return {}, b""


async def _unknown(header: _Header, _payload: bytes) -> _Reply:
    raise Malformed(f"no operation {header.get('op')!r}")


def _bound(path: Path) -> socket.socket:
    """Give a socket that listens under a name. Under another one first: whoever finds the name finds somebody there."""
    path.unlink(missing_ok=True)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX)
    try:
        with paths.short(new) as name:
            bound.bind(name)
        new.chmod(0o600)
        bound.listen()
        new.rename(path)
    except OSError:
        bound.close()
        raise
    return bound
