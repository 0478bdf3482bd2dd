"""Connections of the client: HTTP/1.1 for one request at a time, HTTP/2 for many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from tidegate.observe.ledger._exchange import Exchange
from tidegate.observe.ledger._http1 import Malformed, Reader

Clock = Callable[[], float]


class Http1(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, clock: Clock, freed: Callable[[Http1], None], *, keep: bool) -> None:
        self._clock, self._freed, self._keep = clock, freed, keep
        self._reader, self._exchange = Reader(), cast("Exchange | None", None)
        self._transport = cast("asyncio.Transport", None)
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.is_open = cast("asyncio.Transport", transport), True

    def ask(self, exchange: Exchange) -> None:
        """Send a request; there must be none under way."""
        self._exchange = exchange
        exchange.sent = self._clock()
        self._transport.write(exchange.request(keep=self._keep))

    def data_received(self, data: bytes) -> None:
        try:
            answer = self._reader.feed(data)
        except Malformed as e:
            self._fail(str(e))
            self.abort()
            return
        if answer is None:
            return
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            self.abort()
            return
        exchange.answer(self._clock(), answer.status, answer.headers, answer.body)
        if self._keep and answer.keeps_alive:
            self._freed(self)
        else:
            self.close()

    def eof_received(self) -> None:
        self.is_open = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        answer = self._reader.end()
        if answer and self._exchange:
            self._exchange.answer(self._clock(), answer.status, answer.headers, answer.body)
        elif exc is None:
            self._fail("cut short" if self._reader.began else "closed before the answer")
        else:
            self._fail(f"{type(exc).__name__} {'in' if self._reader.began else 'before'} the answer")

    def close(self) -> None:
        """End it."""
        self.is_open = False
        self._transport.close()

    def abort(self) -> None:
        """End it at once."""
        self.is_open = False
        self._transport.abort()

    def _fail(self, why: str) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.fail(self._clock(), why)


_GOAWAY = 7


class Http2(asyncio.Protocol):
    """Many requests at a time. After a GOAWAY those that the server has taken finish here, and others go elsewhere."""

    def __init__(self, clock: Clock, again: Callable[[Exchange], None]) -> None:
        self._clock, self._again = clock, again
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._transport = cast("asyncio.Transport", None)
        self._streams: dict[int, tuple[Exchange, dict[str, str], bytearray]] = {}
        self._raw = bytearray()
        self.is_open = False
        """It takes requests."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.is_open = cast("asyncio.Transport", transport), True
        self._h2.initiate_connection()
        self._flush()

    def ask(self, exchange: Exchange) -> None:
        """Send a request."""
        stream = self._h2.get_next_available_stream_id()
        self._streams[stream] = (exchange, {}, bytearray())
        exchange.sent = self._clock()
        aim = exchange.aim
        fields = [
            (":method", exchange.method), (":scheme", "https" if aim.secure else "http"),
            (":authority", aim.host), (":path", aim.path), ("x-ledger-id", exchange.id),
        ]  # fmt: skip
        self._h2.send_headers(stream, fields, end_stream=True)
        self._flush()

    @property
    def is_full(self) -> bool:
        """As many requests are under way as the server lets be."""
        most = self._h2.remote_settings.max_concurrent_streams
        return len(self._streams) >= min(most, 100)

    def data_received(self, data: bytes) -> None:
        self._raw += data
        try:
            while (frame := self._frame()) is not None:
                for event in self._h2.receive_data(frame):
                    self._event(event)
        except h2.exceptions.ProtocolError as e:
            self._fail(f"HTTP/2: {e}")
            self._transport.abort()
            return
        self._flush()
        if not self.is_open and not self._streams:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"{type(exc).__name__} before the answer" if exc else "closed before the answer")

    def close(self) -> None:
        """End it."""
        self.is_open = False
        self._transport.close()

    def _frame(self) -> bytes | None:
        """Give the next whole frame that is for the protocol's machine.

        A GOAWAY is not: the machine takes it for the end of the connection, and answers are still to come.
        """
        while len(self._raw) >= 9:
            size = 9 + int.from_bytes(self._raw[:3], "big")
            if len(self._raw) < size:
                break
            frame, kind = bytes(self._raw[:size]), self._raw[3]
            del self._raw[:size]
            if kind != _GOAWAY:
                return frame
            self._goes_away(int.from_bytes(frame[9:13], "big") & 0x7FFFFFFF)
        return None

    def _goes_away(self, last: int) -> None:
        self.is_open = False
        for stream in [s for s in self._streams if s > last]:
            self._again(self._streams.pop(stream)[0])

    def _event(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(stream_id=int(stream), headers=fields) if fields:
                if stream in self._streams:
                    self._streams[stream][1].update((str(n), str(v)) for n, v in fields)
            case h2.events.DataReceived(stream_id=int(stream), data=data, flow_controlled_length=int(used)):
                self._h2.acknowledge_received_data(used, stream)
                if stream in self._streams:
                    self._streams[stream][2].extend(data or b"")
            case h2.events.StreamEnded(stream_id=int(stream)):
                if found := self._streams.pop(stream, None):
                    exchange, headers, body = found
                    exchange.answer(self._clock(), int(headers.get(":status", 0)), headers, bytes(body))
            case h2.events.StreamReset(stream_id=int(stream), error_code=code):
                self._reset(stream, code)
            case _:
                pass

    def _reset(self, stream: int, code: object) -> None:
        found = self._streams.pop(stream, None)
        if found and code == h2.errors.ErrorCodes.REFUSED_STREAM:
            self._again(found[0])
        elif found:
            found[0].fail(self._clock(), f"stream reset, {code}")

    def _fail(self, why: str) -> None:
        self.is_open = False
        streams, self._streams = self._streams, {}
        for exchange, *_ in streams.values():
            exchange.fail(self._clock(), why)

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._transport.write(data)
