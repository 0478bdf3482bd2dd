"""A small HTTP/3 client, one request at a time on a connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset

from harness.http import NoAnswer, Response


class _Protocol(QuicConnectionProtocol):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._h3 = H3Connection(self._quic)
        self._waiting: dict[int, tuple[asyncio.Future[Response], list[tuple[str, str]], bytearray]] = {}

    async def ask(self, headers: Sequence[tuple[str, str]], body: bytes) -> Response:
        stream = self._quic.get_next_available_stream_id()
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting[stream] = (answer, [], bytearray())
        raw = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers]
        self._h3.send_headers(stream, raw, end_stream=not body)
        if body:
            self._h3.send_data(stream, body, end_stream=True)
        self.transmit()
        return await answer

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            for answer, _, _ in self._waiting.values():
                if not answer.done():
                    answer.set_exception(NoAnswer(f"closed: {event.error_code} {event.reason_phrase}"))
        if isinstance(event, StreamReset) and event.stream_id in self._waiting:
            answer = self._waiting.pop(event.stream_id)[0]
            answer.set_exception(NoAnswer(f"reset: {event.error_code}"))
            return
        for made in self._h3.handle_event(event):
            if not isinstance(made, HeadersReceived | DataReceived) or made.stream_id not in self._waiting:
                continue
            answer, headers, body = self._waiting[made.stream_id]
            if isinstance(made, HeadersReceived):
                headers += [(n.decode("latin-1"), v.decode("latin-1")) for n, v in made.headers]
            else:
                body += made.data
            if made.stream_ended and not answer.done():
                answer.set_result(Response(int(headers[0][1]), headers[1:], bytes(body)))


class Connection:
    """One HTTP/3 connection; any certificate is believed."""

    def __init__(self, port: int, *, sni: str = "localhost", timeout: float = 5) -> None:
        """Connect. Raises ``ConnectionError`` or ``TimeoutError`` where nobody answers."""
        self._timeout = timeout
        self._runner = asyncio.Runner()
        configuration = QuicConfiguration(
            is_client=True, alpn_protocols=["h3"], verify_mode=ssl.CERT_NONE, server_name=sni
        )
        configuration.idle_timeout = timeout
        self._context = connect(
            "127.0.0.1", port, configuration=configuration, create_protocol=_Protocol, wait_connected=True
        )
        try:
            protocol = self._run(self._context.__aenter__())
        except BaseException:
            self._runner.close()
            raise
        assert isinstance(protocol, _Protocol)
        self._protocol = protocol

    def ask(
        self,
        path: str = "/",
        *,
        host: str,
        method: str = "GET",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Response:
        """Send a request and give its answer. Raises ``NoAnswer`` or ``TimeoutError`` if there is none."""
        pseudo = [(":method", method), (":scheme", "https"), (":authority", host), (":path", path)]
        return self.raw([*pseudo, *headers], body)

    def raw(self, headers: Sequence[tuple[str, str]], body: bytes = b"") -> Response:
        """Send just these headers and give the answer."""
        answer = self._run(self._protocol.ask(headers, body))
        assert isinstance(answer, Response)
        return answer

    def close(self) -> None:
        """End the connection."""
        self._protocol.close()
        try:
            self._run(self._context.__aexit__(None, None, None))
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, work: Any) -> object:
        async def bounded() -> object:
            return await asyncio.wait_for(work, self._timeout)

        return self._runner.run(bounded())
