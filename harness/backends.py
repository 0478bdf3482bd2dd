"""Real HTTP backends that tell what they received, and can misbehave on request.

All instances of a pool live in one event loop in a thread of their own, on loopback addresses. Several
instances of a group share a port and differ in address, as the endpoints of one EndpointSlice do.

An instance answers 200 with JSON (see ``Echo``). The query of a request may ask for something else:
``delay=S`` (seconds before the answer), ``status=N``, ``bytes=N`` (a body of N times ``x`` in place of the
JSON), ``chunks=N`` with ``every=S`` (that many chunks, S seconds apart), ``close=1`` (end the connection
without an answer), ``reset=1`` (the same by TCP reset), ``cut=1`` (half an answer, then the end),
``header=Name:value`` (may be repeated). An instance as a whole can be slow or refuse connections:
``Backend.delay``, ``Backend.refuse()``; and all its answers can have another ``Backend.status``.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import socket
import ssl
import struct
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

import msgspec
import uvloop

from harness import _http1, waiting

T = TypeVar("T")


class Echo(msgspec.Struct, frozen=True):
    """What an instance says of a request."""

    id: str
    """Name of the instance."""
    method: str
    uri: str
    version: str
    headers: list[tuple[str, str]]
    """As received: order, case and repetitions kept."""
    body_sha256: str
    body_length: int
    connection: int
    """Number of the TCP connection, counted by this instance."""
    request: int
    """Number of the request on its connection."""
    client: str = ""
    """First name in the certificate that the peer has shown, if it had to."""

    def get(self, name: str) -> list[str]:
        """Give all values of a header, in order."""
        return [v for n, v in self.headers if n.lower() == name.lower()]


class Backend:
    """One instance: an address and port that answers."""

    def __init__(self, pool: Backends, name: str, address: str, port: int) -> None:
        self.id, self.address, self.port = name, address, port
        self.delay = 0.0
        """Seconds before each answer."""
        self.status = 200
        """Of its answers, unless a request asks for another."""
        self.requests = 0
        """Requests received."""
        self.connections = 0
        self.open: set[asyncio.Transport] = set()
        self.tls: ssl.SSLContext | None = None
        """If not None: it speaks TLS (to be set before it listens)."""
        self._pool = pool
        self._server: asyncio.Server | None = None

    def refuse(self) -> None:
        """Stop listening and close open connections: new ones are refused, as if the process had died."""
        self._pool.call(self.close())

    def accept(self) -> None:
        """Listen (again)."""
        self._pool.call(self.listen())

    async def listen(self) -> None:
        """Start to listen; in the pool's loop."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), self.address, self.port, backlog=4096, reuse_address=True, ssl=self.tls
        )

    async def close(self) -> None:
        """Stop to listen and end all connections; in the pool's loop."""
        if self._server is not None:
            self._server.close()
            self._server = None
        while self.open:
            for transport in list(self.open):
                transport.abort()
            await asyncio.sleep(0.001)

    def __repr__(self) -> str:
        return f"Backend({self.id} at {self.address}:{self.port})"


class Backends:
    """A pool of instances; ends them all when the ``with`` block does."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="backends", daemon=True)
        self._all: list[Backend] = []

    def group(
        self, name: str, count: int = 1, *, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> list[Backend]:
        """Start ``count`` instances ``name-0``, ``name-1`` … on one port and as many loopback addresses."""
        port = port or waiting.free_ports(1)[0]
        made = [
            Backend(self, f"{name}-{i}", f"127.0.{1 + i // 250}.{1 + i % 250}", port) for i in range(count)
        ]
        for backend in made:
            backend.tls = tls
            self.call(backend.listen())
        self._all += made
        return made

    def one(self, name: str) -> Backend:
        """Start one instance with exactly this name."""
        return self.at(name, "127.0.0.1", waiting.free_ports(1)[0])

    def at(self, name: str, address: str, port: int) -> Backend:
        """Start one instance at just this address and port."""
        backend = Backend(self, name, address, port)
        self.call(backend.listen())
        self._all.append(backend)
        return backend

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the pool's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        for backend in self._all:
            self.call(backend.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class _Connection(asyncio.Protocol):
    """One TCP connection to an instance. Requests are answered one after the other."""

    transport: asyncio.Transport

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._reader = _http1.Reader()
        self._requests = itertools.count(1)
        self._queue: list[_http1.Message] = []
        self._task: asyncio.Task[None] | None = None
        self._tunnel = False
        backend.connections += 1
        self._number = backend.connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asserted: uvloop has transports of its own.
        self.transport = cast("asyncio.Transport", transport)
        self._backend.open.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._backend.open.discard(self.transport)
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._tunnel:
            self.transport.write(data)
            return
        try:
            self._queue += self._reader.feed(data)
        except ValueError as e:
            self.transport.write(f"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\nX-Why: {e}\r\n\r\n".encode())
            self.transport.close()
            return
        if self._task is None or self._task.done():
            self._drain()

    def _drain(self) -> None:
        while self._queue:
            request = self._queue.pop(0)
            self._backend.requests += 1
            options = parse_qsl(urlsplit(request.first[1]).query)
            if self._backend.delay or options or request.get("Upgrade"):
                self._task = asyncio.get_running_loop().create_task(self._answer_oddly(request, options))
                self._task.add_done_callback(self._continue)
                return
            self._answer(request, self._backend.status, self._echo(request), [])

    def _continue(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._drain()

    def _echo(self, request: _http1.Message) -> bytes:
        method, uri, version = request.first
        return msgspec.json.encode(
            Echo(
                self._backend.id,
                method,
                uri,
                version,
                request.headers,
                hashlib.sha256(request.body).hexdigest(),
                len(request.body),
                self._number,
                next(self._requests),
                _client(self.transport),
            )
        )

    def _answer(
        self, request: _http1.Message, status: int, body: bytes, headers: list[str], *, announced: int = -1
    ) -> None:
        lines = [
            f"HTTP/1.1 {status} Answer",
            "Content-Type: application/json",
            f"Content-Length: {len(body) if announced < 0 else announced}",
            f"X-Backend: {self._backend.id}",
            *headers,
        ]
        if not request.keeps_alive:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.transport.write(head if request.first[0] == "HEAD" else head + body)
        if not request.keeps_alive:
            self.transport.close()

    async def _answer_oddly(self, request: _http1.Message, options: list[tuple[str, str]]) -> None:
        wish = dict(options)
        await asyncio.sleep(self._backend.delay + float(wish.get("delay", 0)))
        headers = [v for n, v in options if n == "header"]
        body = b"x" * int(wish["bytes"]) if "bytes" in wish else self._echo(request)
        status = int(wish.get("status", self._backend.status))
        if request.get("Upgrade") and "status" not in wish:
            self._upgrade(request)
        elif "reset" in wish:
            _reset(self.transport)
        elif "close" in wish:
            self.transport.close()
        elif "cut" in wish:
            self._answer(request, status, body[: len(body) // 2], headers, announced=len(body))
            self.transport.close()
        elif "chunks" in wish:
            await self._stream(int(wish["chunks"]), float(wish.get("every", 0)), body)
        else:
            self._answer(request, status, body, headers)

    def _upgrade(self, request: _http1.Message) -> None:
        self._tunnel = True
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
            + f"Upgrade: {request.get('Upgrade')}\r\nX-Backend: {self._backend.id}\r\n\r\n".encode()
        )

    async def _stream(self, chunks: int, every: float, body: bytes) -> None:
        head = ("HTTP/1.1 200 Answer", "Transfer-Encoding: chunked", f"X-Backend: {self._backend.id}", "", "")
        self.transport.write("\r\n".join(head).encode())
        for _ in range(chunks):
            self.transport.write(b"%x\r\n%s\r\n" % (len(body), body))
            await asyncio.sleep(every)
        self.transport.write(b"0\r\n\r\n")


def _client(transport: asyncio.Transport) -> str:
    certificate = transport.get_extra_info("peercert") or {}
    names = certificate.get("subjectAltName") or ((("", "")),)
    return str(names[0][1])


def _reset(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
