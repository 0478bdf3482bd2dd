"""A backend that ends connections as real servers do: after some idle time, or in the middle of a request."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from types import TracebackType
from typing import Self, cast

import uvloop

from harness import _http1
from harness.backends import _reset


class Idler:
    """One server on a port of its own; counts what it carried out."""

    def __init__(self, *, idle: float = 3600.0, fate: str = "answer", address: str = "127.0.0.1") -> None:
        """Take the seconds until an idle connection is closed, and what becomes of a request.

        ``fate`` is ``answer``, ``reset`` (carried out, then the connection is reset) or ``silence`` (no answer).
        """
        self.idle, self.fate, self.address = idle, fate, address
        self.delay = 0.0
        """Seconds before each answer."""
        self.port = 0
        self.executed: Counter[str] = Counter()
        """How often each request target was carried out."""
        self.connections = 0
        self.open: set[asyncio.Transport] = set()
        self._server: asyncio.AbstractServer
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def endpoint(self) -> tuple[str, int]:
        """Address and port."""
        return self.address, self.port

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> int:
        listening = socket.create_server((self.address, 0), backlog=4096)
        self._server = await self._loop.create_server(lambda: _Connection(self), sock=listening)
        return int(listening.getsockname()[1])

    async def _close(self) -> None:
        self._server.close()
        for transport in [*self.open]:
            transport.abort()
        await asyncio.sleep(0.01)


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, server: Idler) -> None:
        self._server = server
        self._reader = _http1.Reader()
        self._timer: asyncio.TimerHandle | None = None
        server.connections += 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._server.open.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._server.open.discard(self.transport)
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._timer:
            self._timer.cancel()
        for request in self._reader.feed(data):
            self._server.executed[request.first[1]] += 1
            if self._server.fate == "reset":
                _reset(self.transport)
            elif self._server.fate == "answer":
                body = request.first[1].encode()
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
                asyncio.get_running_loop().call_later(self._server.delay, self._answer, answer)

    def _answer(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
            self._timer = asyncio.get_running_loop().call_later(self._server.idle, self.transport.close)
