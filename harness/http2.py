"""A small HTTP/2 client: one request at a time on a connection, over TLS (by ALPN) or with prior knowledge."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import h2.config
import h2.connection
import h2.events

from harness.http import NoAnswer, Response


class Connection:
    """One HTTP/2 connection."""

    def __init__(
        self,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        sni: str | None = None,
        timeout: float = 10,
        ahead: bytes = b"",
        piece: int = 1 << 16,
    ) -> None:
        """Connect; bytes ``ahead`` go before all others, and the preface goes in pieces of a size."""
        self._scheme = "https" if tls else "http"
        self._piece = piece
        self._socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(ahead)
        if tls is not None:
            wrapped = tls.wrap_socket(self._socket, server_hostname=sni)
            if wrapped.selected_alpn_protocol() != "h2":
                raise ConnectionError(f"the server chose {wrapped.selected_alpn_protocol()}, not h2")
            self._socket = wrapped
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._flush()
        self._piece = 1 << 16

    def ask(
        self,
        path: str,
        *,
        host: str,
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Response:
        """Send a request and give its answer. Raises ``NoAnswer`` if the stream is reset before there is one."""
        stream = self._h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", self._scheme), (":authority", host), (":path", path)]
        self._h2.send_headers(stream, [*pseudo, *headers], end_stream=not body)
        self._flush()
        return self._exchange(stream, body)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, stream: int, body: bytes) -> Response:
        answered: list[tuple[str, str]] = []
        received = bytearray()
        while True:
            body = self._send_some(stream, body, given_up=bool(answered))
            data = self._socket.recv(1 << 16)
            if not data:
                raise NoAnswer("closed before the stream ended")
            for event in self._h2.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    answered = [(str(n), str(v)) for n, v in event.headers]
                elif isinstance(event, h2.events.DataReceived):
                    received += event.data
                    self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif (
                    isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated) and not answered
                ):
                    raise NoAnswer(f"{type(event).__name__} {event.error_code}")
                elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
                    self._flush()
                    return Response(int(answered[0][1]), answered[1:], bytes(received))
            self._flush()

    def _send_some(self, stream: int, body: bytes, *, given_up: bool) -> bytes:
        """Send as much of the body as flow control allows; give the rest."""
        while body and not given_up:
            room = min(
                self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size, len(body)
            )
            if room <= 0:
                break
            self._h2.send_data(stream, body[:room], end_stream=room == len(body))
            body = body[room:]
            self._flush()
        return body

    def _flush(self) -> None:
        self._send(self._h2.data_to_send())

    def _send(self, data: bytes) -> None:
        for at in range(0, len(data), self._piece):
            self._socket.sendall(data[at : at + self._piece])
