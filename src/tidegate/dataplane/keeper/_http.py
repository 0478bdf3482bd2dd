"""A small HTTP/1.1 client for nginx's own socket.

It knows what that socket's answers look like (a length or chunks, no trailers, no redirects) and no more. Connections
are kept; a request on one that nginx has closed meanwhile is sent once more on a new one, which the caller must be
able to bear: a delta does, because it names the version that it builds on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tidegate.dataplane.keeper import paths

_MOST_BODY = 256 * 1024 * 1024
"""Bytes of an answer."""
_PIECE = 256 * 1024
"""Bytes given to the socket at once, so that a large delta is not copied whole."""


class Unanswered(Exception):
    """nginx gave no answer: it is not there, closed the connection, or took too long."""


class Answer(NamedTuple):
    """What nginx answered."""

    status: int
    body: bytes
    resent: bool
    """True if the request was sent twice, so that the first may have had its effect."""


_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class PushSocket:
    """The socket of one nginx instance."""

    def __init__(self, path: Path) -> None:
        """Take the path of the socket; nothing is opened yet."""
        self._path = path
        self._idle: list[_Connection] = []

    async def get(self, target: str, *, seconds: float) -> Answer:
        """Ask for something. Raises `Unanswered`."""
        return await self._request(_head("GET", target, 0), (), seconds)

    async def post(self, target: str, pieces: Sequence[bytes | memoryview] = (), *, seconds: float) -> Answer:
        """Send something. Raises `Unanswered`."""
        size = sum(len(piece) for piece in pieces)
        return await self._request(_head("POST", target, size), pieces, seconds)

    async def _request(self, head: bytes, pieces: Sequence[bytes | memoryview], seconds: float) -> Answer:
        try:
            async with asyncio.timeout(seconds):
                return await self._send(head, pieces)
        except TimeoutError:
            raise Unanswered(f"no answer within {seconds:g} seconds") from None
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as e:
            raise Unanswered(str(e) or type(e).__name__) from e

    async def _send(self, head: bytes, pieces: Sequence[bytes | memoryview]) -> Answer:
        resent = False
        while self._idle:
            try:
                status, body = await self._exchange(self._idle.pop(), head, pieces)
            except (OSError, asyncio.IncompleteReadError):
                resent = True
                continue
            return Answer(status, body, resent)
        status, body = await self._exchange(await self._connect(), head, pieces)
        return Answer(status, body, resent)

    async def _connect(self) -> _Connection:
        with paths.short(self._path) as name:
            return await asyncio.open_unix_connection(name)

    async def _exchange(
        self, connection: _Connection, head: bytes, pieces: Sequence[bytes | memoryview]
    ) -> tuple[int, bytes]:
        reader, writer = connection
        keep = False
        try:
            writer.write(head)
            for piece in pieces:
                for at in range(0, len(piece), _PIECE):
                    writer.write(piece[at : at + _PIECE])
                    await writer.drain()
            status, body, keep = await _read_answer(reader)
        finally:
            if keep:
                self._idle.append(connection)
            else:
                writer.close()
        return status, body

    def close(self) -> None:
        """Close all idle connections."""
        while self._idle:
            self._idle.pop()[1].close()


def _head(method: str, target: str, size: int) -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: nginx\r\nContent-Length: {size}\r\n\r\n".encode()


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Give status, body and whether the connection can be used again."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    protocol, _, rest = lines[0].partition(" ")
    if not protocol.startswith("HTTP/1."):
        raise ValueError(f"an answer that begins with {protocol[:20]!r}")
    status = int(rest.partition(" ")[0])
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if fields.get("transfer-encoding", "").lower() == "chunked":
        body = await _read_chunks(reader)
    else:
        # Without a length the answer would end with the connection; nginx's own answers always say.
        body = await reader.readexactly(_bounded(int(fields.get("content-length", ""))))
    return status, body, fields.get("connection", "").lower() != "close"


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks: list[bytes] = []
    total = 0
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        total += size
        chunks.append(await reader.readexactly(_bounded(size, total)))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(chunks)


def _bounded(size: int, total: int = 0) -> int:
    if max(size, total) > _MOST_BODY or size < 0:
        raise ValueError(f"an answer of {max(size, total)} bytes")
    return size
