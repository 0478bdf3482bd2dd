"""An open-loop load whose every request is accounted for: sent at its time, and with exactly one outcome.

A number of clients send at fixed times, whether or not earlier answers have come; those that a client could not send in
time, because its last one was still under way, count as late, never as dropped. An outcome is good only if the answer
is whole, has a 2xx status, and comes from a backend that the request may reach at that moment.

It retries nothing: a request that was sent and got no whole answer is lost. A connection that the other side closed
between two requests, before anything was sent, is opened again, which loses nothing and is counted.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast

import uvloop

from harness import _http1
from harness.http import request_bytes


@dataclass(frozen=True, slots=True)
class Call:
    """What one client asks for, again and again."""

    host: str
    path: str = "/"
    allowed: Callable[[], Collection[str]] | None = None
    """Names of the instances that may answer; asked before sending and after the answer, and either may hold it."""
    method: str = "GET"
    body: bytes = b""
    status: int | None = None
    """The only good status, if it is not a 2xx one that is wanted."""
    shown: Callable[[bytes], object] | None = None
    """Told the certificate (DER) of each handshake."""
    answered: Callable[[str], object] | None = None
    """Told the name of the instance of each good answer."""
    timed: Callable[[str, float], object] | None = None
    """Told the same, with the seconds from sending to the end of the answer."""


@dataclass(slots=True)
class Outcomes:
    """What became of the requests."""

    sent: int = 0
    good: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    """Answers by an instance that may not: ``host path → instance``."""
    status: Counter[int] = field(default_factory=Counter)
    """Answers with another status than a good one."""
    lost: Counter[str] = field(default_factory=Counter)
    """Requests without a whole answer, by what happened."""
    refused: Counter[str] = field(default_factory=Counter)
    """Connections (and TLS handshakes) that failed; each costs the request that needed it, counted in ``lost`` too."""
    late: int = 0
    reopened: int = 0
    handshakes: int = 0
    slowest: float = 0.0
    """Seconds of the slowest good answer."""

    @property
    def bad(self) -> int:
        """Requests that did not have a good outcome."""
        return self.sent - self.good

    def __str__(self) -> str:
        parts = [f"{self.good} of {self.sent} good"]
        counted: dict[str, Counter[Any]] = {"wrong": self.wrong, "status": self.status, "lost": self.lost}
        parts += [f"{name}: {dict(c.most_common(5))}" for name, c in counted.items() if c]
        return ", ".join(parts)


class Ledger:
    """Runs clients in a loop of its own while the ``with`` block lasts; then every request has its outcome.

    ``rate`` is requests a second of all clients together. With ``keepalive`` false each request has a connection of its
    own (with ``tls``: a full handshake each).
    """

    def __init__(
        self,
        port: int,
        calls: Sequence[Call],
        *,
        clients: int = 32,
        rate: float = 500,
        keepalive: bool = True,
        tls: ssl.SSLContext | None = None,
        timeout: float = 10,
    ) -> None:
        self.outcomes = Outcomes()
        self._port, self._calls = port, calls
        self._clients, self._every = clients, clients / rate
        self._keepalive, self._tls, self._timeout = keepalive, tls, timeout
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._open: set[_Client] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()
        if self._failure is not None and e is None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._all())
        except BaseException as e:  # noqa: BLE001 - raised again in the thread that waits
            self._failure = e

    async def _all(self) -> None:
        start = time.monotonic()
        try:
            await self._clients_until_stopped(start)
        finally:
            while self._open:
                for client in list(self._open):
                    client.transport.abort()
                await asyncio.sleep(0.001)

    async def _clients_until_stopped(self, start: float) -> None:
        await asyncio.gather(
            *(
                self._client(self._calls[i % len(self._calls)], start + self._every * i / self._clients)
                for i in range(self._clients)
            )
        )

    async def _client(self, call: Call, due: float) -> None:
        connection: _Client | None = None
        while not self._stop.is_set():
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
                if self._stop.is_set():
                    break
            elif wait < -self._every:
                self.outcomes.late += 1
            due += self._every
            connection = await self._one(call, connection)
        if connection is not None:
            connection.close()

    async def _one(self, call: Call, connection: _Client | None) -> _Client | None:
        """Send one request and enter its outcome; give the connection if it can serve again."""
        self.outcomes.sent += 1
        before = call.allowed() if call.allowed else None
        start = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._usable(call, connection)
                answer = await connection.ask(_bytes(call, keepalive=self._keepalive))
        except (OSError, ValueError, TimeoutError) as e:
            self.outcomes.lost[_name(e)] += 1
            if connection is not None:
                connection.close()
            return None
        self._enter(call, answer, before, time.monotonic() - start)
        if self._keepalive and answer.keeps_alive:
            return connection
        connection.close()
        return None

    async def _usable(self, call: Call, connection: _Client | None) -> _Client:
        if connection is not None and connection.is_open:
            return connection
        if connection is not None:
            self.outcomes.reopened += 1
        try:
            _, client = await self._loop.create_connection(
                lambda: _Client(self._open),
                "127.0.0.1",
                self._port,
                ssl=self._tls,
                server_hostname=call.host if self._tls else None,
            )
        except OSError as e:
            self.outcomes.refused[_name(e)] += 1
            raise
        if self._tls:
            self.outcomes.handshakes += 1
            if call.shown:
                call.shown(client.transport.get_extra_info("ssl_object").getpeercert(binary_form=True))
        return client

    def _enter(self, call: Call, answer: _http1.Message, before: Collection[str] | None, took: float) -> None:
        status = int(answer.first[1])
        good = status == call.status if call.status else 200 <= status < 300
        instance = answer.get("X-Backend") or ""
        if not good:
            self.outcomes.status[status] += 1
        elif (
            before is not None and call.allowed and instance not in before and instance not in call.allowed()
        ):
            self.outcomes.wrong[f"{call.host}{call.path} → {instance}"] += 1
        else:
            self.outcomes.good += 1
            if call.answered:
                call.answered(instance)
            if call.timed:
                call.timed(instance, took)
            self.outcomes.slowest = max(self.outcomes.slowest, took)


class _Client(asyncio.Protocol):
    """One connection: one request at a time."""

    transport: asyncio.Transport

    def __init__(self, alive: set[_Client]) -> None:
        self._alive = alive
        self._reader = _http1.Reader(until_close=True)
        self._waiting: asyncio.Future[_http1.Message] | None = None
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asserted: uvloop has transports of its own.
        self.transport, self.is_open = cast("asyncio.Transport", transport), True
        self._alive.add(self)

    def ask(self, request: bytes) -> asyncio.Future[_http1.Message]:
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._reader.feed(data)
        except ValueError as e:
            self._settle(e)
            return
        for message in messages:
            self._settle(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._alive.discard(self)
        self._settle(self._reader.finish() or exc or EOFBeforeAnswer("closed before the answer"))

    def eof_received(self) -> None:
        self.is_open = False

    def close(self) -> None:
        self.is_open = False
        self.transport.close()

    def _settle(self, result: _http1.Message | Exception) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.done():
            return
        if isinstance(result, Exception):
            waiting.set_exception(result)
        else:
            waiting.set_result(result)


class EOFBeforeAnswer(ConnectionError):
    """The connection was closed after the request was sent and before its answer was whole."""


def _bytes(call: Call, *, keepalive: bool) -> bytes:
    headers = [] if keepalive else [("Connection", "close")]
    return request_bytes(call.path, host=call.host, method=call.method, headers=headers, body=call.body)


def _name(e: BaseException) -> str:
    return type(e).__name__ if not isinstance(e, ssl.SSLError) else f"{type(e).__name__}: {e.reason}"
