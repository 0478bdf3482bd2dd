"""HTTP/2 requests that no well-behaved library would send: any header list, any body, frame by frame."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

import hpack
from hyperframe import frame as frames

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Headers = Sequence[tuple[str | bytes, str | bytes]]


@dataclass(slots=True)
class Outcome:
    """What came of one stream."""

    status: int = 0
    """0: no answer."""
    end: str = ""
    """``stream`` (answered whole), ``reset``, ``goaway`` or ``closed``."""
    error: int = 0
    """Code of a reset or of a GOAWAY."""
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)


def ask(
    port: int, headers: Headers, body: bytes | None = None, *, tls: ssl.SSLContext | None = None
) -> Outcome:
    """Send one request (with a body in one DATA frame) and tell what came of it."""
    plain = socket.create_connection(("127.0.0.1", port), 10)
    with tls.wrap_socket(plain, server_hostname="raw.example") if tls else plain as connection:
        connection.sendall(_PREFACE + frames.SettingsFrame(0).serialize() + _request(headers, body))
        return _read(connection)


def _request(headers: Headers, body: bytes | None) -> bytes:
    # Not by Encoder: it would mend names, and keep state that one request does not need.
    block = b"".join(_literal(name, value) for name, value in headers)
    head = frames.HeadersFrame(1, block)
    head.flags.add("END_HEADERS")
    if body is None:
        head.flags.add("END_STREAM")
        return head.serialize()
    data = frames.DataFrame(1, body)
    data.flags.add("END_STREAM")
    return head.serialize() + data.serialize()


def _literal(name: str | bytes, value: str | bytes) -> bytes:
    """Encode a header as a literal with a new name, never indexed (RFC 7541, 6.2.3)."""
    return b"\x10" + b"".join(_text(t) for t in (name, value))


def _text(text: str | bytes) -> bytes:
    data = text.encode("latin-1") if isinstance(text, str) else text
    return bytes(hpack.hpack.encode_integer(len(data), 7)) + data


def _read(connection: socket.socket) -> Outcome:
    outcome, decoder, data = Outcome(), hpack.Decoder(), b""
    while not outcome.end:
        try:
            part = connection.recv(1 << 16)
        except OSError:
            part = b""
        if not part:
            outcome.end = "closed"
        data += part
        while not outcome.end and len(data) >= 9:
            frame, length = frames.Frame.parse_frame_header(memoryview(data[:9]))
            if len(data) < 9 + length:
                break
            frame.parse_body(memoryview(data[9 : 9 + length]))
            data = data[9 + length :]
            _take(outcome, frame, decoder)
    return outcome


def _take(outcome: Outcome, frame: frames.Frame, decoder: hpack.Decoder) -> None:
    if isinstance(frame, frames.HeadersFrame):
        outcome.headers = [(str(n), str(v)) for n, v in decoder.decode(frame.data)]
        outcome.status = int(dict(outcome.headers)[":status"])
    elif isinstance(frame, frames.DataFrame):
        outcome.body += frame.data
    elif isinstance(frame, frames.RstStreamFrame):
        outcome.end, outcome.error = outcome.end or "reset", frame.error_code
    elif isinstance(frame, frames.GoAwayFrame):
        outcome.end, outcome.error = "goaway", frame.error_code
    if "END_STREAM" in frame.flags:
        outcome.end = "stream"
