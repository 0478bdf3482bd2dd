"""A backend that writes down what it carries out, before it answers.

The query of a request may ask for an answer of another kind: ``delay=S`` (seconds before the answer), ``bytes=N``
(length of the body), ``chunks=N`` with ``every=S`` (that many parts, S seconds apart), ``status=N``. ``Manners`` say the
same for all. Requests with ``Upgrade`` are answered 101, and then every byte comes back.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, cast
from urllib.parse import parse_qsl

from tidegate.observe.ledger import _records as r

MOST_BYTES: Final = 1 << 24
"""Of one answer: it is made in memory."""


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How an answer is given."""

    delay: float = 0
    size: int = 0
    """Bytes of the body; 0: as many as its text has."""
    chunks: int = 0
    """Parts of a body that is streamed; 0: it comes at once, with its length."""
    every: float = 0
    status: int = 200

    def asked(self, query: str) -> Manners:
        """Give these manners with what a query asks for; what makes no sense in it is passed over."""
        names = {"delay": float, "bytes": int, "chunks": int, "every": float, "status": int}
        found: dict[str, float] = {}
        for name, text in parse_qsl(query):
            try:
                value = names[name](text)
            except (KeyError, ValueError):
                continue
            if value >= 0:
                found["size" if name == "bytes" else name] = value
        return replace(self, **found)  # type: ignore[arg-type]


class Backend:
    """One instance. ``tell`` gets every execution."""

    def __init__(
        self,
        instance: str,
        tell: Callable[[r.Record], None],
        *,
        tenant: str = "",
        manners: Manners | None = None,
    ) -> None:
        self.instance, self.tenant = instance, tenant
        self.manners = manners or Manners()
        self.tell = tell
        self.executed = 0
        self.open: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, address: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Take connections; give the port, which the system chooses for 0. Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), address, port, backlog=4096, reuse_address=True, ssl=tls
        )
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Take no more connections, and end those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in list(self.open):
            transport.abort()

    def execute(self, method: str, id_: str, body: bytes, manners: Manners) -> bytes:
        """Write down an execution; give the body of its answer, which no other execution has."""
        self.executed += 1
        made = f"{id_} {self.instance} {self.tenant} {self.executed}\n".encode()
        if manners.size:
            made = (made * (manners.size // len(made) + 1))[: min(manners.size, MOST_BYTES)]
        self.tell(
            r.Executed(id_, self.instance, method, time.time(), self.tenant, r.digest(body), r.digest(made))
        )
        return made


class _Connection(asyncio.Protocol):
    """Requests one after the other."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._transport = cast("asyncio.Transport", None)
        self._data = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._tunnel = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._backend.open.add(self._transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._backend.open.discard(self._transport)
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._tunnel:
            self._transport.write(data)
            return
        self._data += data
        self._go_on()

    def _go_on(self) -> None:
        while self._task is None and (request := self._next()) is not None:
            self._answer(*request)

    def _next(self) -> tuple[list[str], dict[str, str], bytes] | None:
        """Give the next whole request. What is not one ends the connection."""
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return None
        lines = bytes(self._data[:end]).decode("latin-1").split("\r\n")
        first = lines[0].split(" ")
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}
        try:
            body, used = _body(self._data, end + 4, headers)
        except ValueError:
            self._transport.abort()
            return None
        if used < 0:
            return None
        if len(first) != 3:
            self._transport.abort()
            return None
        del self._data[:used]
        return first, headers, body

    def _answer(self, first: list[str], headers: dict[str, str], body: bytes) -> None:
        method, uri, version = first
        query = uri.partition("?")[2]
        manners = self._backend.manners.asked(query) if query else self._backend.manners
        id_ = headers.get("x-ledger-id", "")
        made = self._backend.execute(method, id_, body, manners)
        head = (
            f"{r.ID}: {id_}\r\n{r.INSTANCE}: {self._backend.instance}\r\n{r.BODY}: {r.digest(made)}\r\n"
            + (f"{r.TENANT}: {self._backend.tenant}\r\n" if self._backend.tenant else "")
        )  # fmt: skip
        if headers.get("upgrade"):
            self._tunnel = True
            upgrade = f"Upgrade: {headers['upgrade']}\r\nConnection: Upgrade\r\n\r\n"
            self._transport.write(f"HTTP/1.1 101 Switching Protocols\r\n{head}{upgrade}".encode())
            return
        closes = version == "HTTP/1.0" or headers.get("connection", "").lower() == "close"
        head = f"HTTP/1.1 {manners.status} Carried out\r\n{head}" + (
            "Connection: close\r\n" if closes else ""
        )
        if manners.delay or manners.chunks:
            self._task = asyncio.create_task(self._slowly(head, made, manners, method, closes=closes))
            return
        self._write(head, made, method)
        if closes:
            self._transport.close()

    def _write(self, head: str, body: bytes, method: str) -> None:
        whole = f"{head}Content-Length: {len(body)}\r\n\r\n".encode()
        self._transport.write(whole if method == "HEAD" else whole + body)

    async def _slowly(self, head: str, body: bytes, manners: Manners, method: str, *, closes: bool) -> None:
        await asyncio.sleep(manners.delay)
        if manners.chunks and method != "HEAD":
            self._transport.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            size = max(-(-len(body) // manners.chunks), 1)
            for at in range(0, len(body), size):
                part = body[at : at + size]
                self._transport.write(b"%x\r\n%b\r\n" % (len(part), part))
                await asyncio.sleep(manners.every)
            self._transport.write(b"0\r\n\r\n")
        else:
            self._write(head, body, method)
        if closes:
            self._transport.close()
        self._task = None
        self._go_on()


def _body(data: bytearray, at: int, headers: dict[str, str]) -> tuple[bytes, int]:
    """Give the body that begins there, and where it ends; -1 if it is not whole yet. Raises ``ValueError``."""
    if "chunked" not in headers.get("transfer-encoding", "").lower():
        end = at + int(headers.get("content-length", "0"))
        return (bytes(data[at:end]), end) if len(data) >= end else (b"", -1)
    body = bytearray()
    while (line := data.find(b"\r\n", at)) >= 0:
        size = int(bytes(data[at:line]).partition(b";")[0], 16)
        if len(data) < line + size + 4:
            break
        if size == 0:
            return bytes(body), line + 4
        body += data[line + 2 : line + 2 + size]
        at = line + size + 4
    return b"", -1
