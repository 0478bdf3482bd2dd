"""Forms of requests that two parsers may read differently, and a client that sends them byte by byte as they are.

Every form stands before a last, ordinary request that asks for the end of the connection. Whoever reads a form in two
ways makes the backend see another number of requests than the client gets answers for.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from harness import _http1

_HOST = "Host: {host}\r\n"
_GET = "GET /smuggled HTTP/1.1\r\nHost: {host}\r\nX-Canary: smuggled\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Form:
    """Bytes with a name; ``{host}`` stands for the host."""

    name: str
    text: str

    def bytes(self, host: str) -> bytes:
        """Give the bytes for a host."""
        return self.text.replace("{host}", host).encode("latin-1")


def _post(name: str, headers: str, body: str) -> Form:
    return Form(name, f"POST /first HTTP/1.1\r\n{_HOST}X-Canary: first\r\n{headers}\r\n{body}")


_CHUNKED = "5\r\nhello\r\n0\r\n\r\n"

_TRANSFER_ENCODINGS = (
    "Transfer-Encoding: chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding:\tchunked",
    "Transfer-Encoding: chunked ",
    "Transfer-Encoding: Chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding:\x0bchunked",
    "Transfer-Encoding:\x00chunked",
    'Transfer-Encoding: "chunked"',
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding:\r\n chunked",
    "X: y\r\n Transfer-Encoding: chunked",
    "X: y\nTransfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked",
    "Transfer_Encoding: chunked",
    "Transfer-Encoding\x00: chunked",
    " Transfer-Encoding: chunked",
)
_LENGTHS = (
    "Content-Length: {n}",
    "Content-Length: 0",
    "Content-Length: 3",
    "Content-Length: +{n}",
    "Content-Length: -1",
    "Content-Length: 0x{x}",
    "Content-Length: {n}, {n}",
    "Content-Length: {n}\r\nContent-Length: {n}",
    "Content-Length: {n}\r\nContent-Length: 0",
    "Content-Length: 0\r\nContent-Length: {n}",
    "Content-Length : {n}",
    "Content-Length:\x0b{n}",
    "Content-Length: {n} ",
    "Content-Length: 0{n}",
    "Content-Length: {n}a",
    "Content-Length: 99999999999999999999",
    "Content-Length:",
    "Content_Length: {n}",
    "X: y\nContent-Length: {n}",
    "X: y\rContent-Length: {n}",
)
_CHUNKS = {
    "chunk extension": "5;a=b\r\nhello\r\n0\r\n\r\n",
    "chunk extension with a bare LF": "5;a\nb\r\nhello\r\n0\r\n\r\n",
    "chunk extension that holds a request": f"5;\n{_GET}\r\nhello\r\n0\r\n\r\n",
    "chunk size with 0x": "0x5\r\nhello\r\n0\r\n\r\n",
    "chunk size with a sign": "+5\r\nhello\r\n0\r\n\r\n",
    "chunk size with an underscore": "0_5\r\nhello\r\n0\r\n\r\n",
    "chunk size with spaces": "5 \r\nhello\r\n0\r\n\r\n",
    "chunk size that overflows": "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "chunk size that is largest": "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "chunk size with many zeros": "0000000000000000000000005\r\nhello\r\n0\r\n\r\n",
    "chunk size that is empty": "\r\nhello\r\n0\r\n\r\n",
    "chunks ended by bare LF": "5\nhello\n0\n\n",
    "chunk longer than its size": "3\r\nhello\r\n0\r\n\r\n",
    "chunk shorter than its size": f"f\r\nhello\r\n0\r\n\r\n{_GET}",
    "trailers": "5\r\nhello\r\n0\r\nX-Trailer: a\r\n\r\n",
    "trailers that frame": "5\r\nhello\r\n0\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a request after the last chunk": f"5\r\nhello\r\n0\r\n\r\n{_GET}",
    "no line after the last chunk": "5\r\nhello\r\n0\r\n",
}
_HEADS = {
    "bare LF": "GET /first HTTP/1.1\nHost: {host}\n\n",
    "bare CR between headers": "GET /first HTTP/1.1\r\nHost: {host}\rX: y\r\n\r\n",
    "folded header": "GET /first HTTP/1.1\r\nHost: {host}\r\nX: y\r\n z\r\n\r\n",
    "folded first header": "GET /first HTTP/1.1\r\n X: y\r\nHost: {host}\r\n\r\n",
    "space before the colon": "GET /first HTTP/1.1\r\nHost : {host}\r\n\r\n",
    "header without a colon": "GET /first HTTP/1.1\r\nHost: {host}\r\nX\r\n\r\n",
    "header without a name": "GET /first HTTP/1.1\r\nHost: {host}\r\n: y\r\n\r\n",
    "NUL in a value": "GET /first HTTP/1.1\r\nHost: {host}\r\nX: y\x00z\r\n\r\n",
    "NUL in a name": "GET /first HTTP/1.1\r\nHost: {host}\r\nX\x00: y\r\n\r\n",
    "two spaces in the first line": "GET  /first HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "tab in the first line": "GET\t/first HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "space in the path": "GET /fi rst HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "no version": "GET /first\r\n\r\n",
    "HTTP/1.2": "GET /first HTTP/1.2\r\nHost: {host}\r\n\r\n",
    "HTTP/2.0 spoken as text": "GET /first HTTP/2.0\r\nHost: {host}\r\n\r\n",
    "HTTP/0.9 spoken as text": "GET /first HTTP/0.9\r\nHost: {host}\r\n\r\n",
    "lower-case method": "get /first HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "method with odd characters": "G(E)T /first HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "CONNECT": "CONNECT {host}:80 HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "TRACE": "TRACE /first HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "asterisk": "OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "two Hosts": "GET /first HTTP/1.1\r\nHost: {host}\r\nHost: other.example\r\n\r\n",
    "no Host": "GET /first HTTP/1.1\r\n\r\n",
    "empty lines first": "\r\n\r\nGET /first HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "Expect with a body that follows at once": (
        f"POST /first HTTP/1.1\r\n{_HOST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"
    ),
    "Expect that is none": f"POST /first HTTP/1.1\r\n{_HOST}Expect: y100-continue\r\nContent-Length: 5\r\n\r\nhello",
    "GET with a body": f"GET /first HTTP/1.1\r\n{_HOST}Content-Length: 5\r\n\r\nhello",
    "HEAD with a body": f"HEAD /first HTTP/1.1\r\n{_HOST}Content-Length: {len(_GET) - 4}\r\n\r\n{_GET}",
    "HEAD before another": f"HEAD /first HTTP/1.1\r\n{_HOST}\r\n",
    "HTTP/1.0 with chunks": f"POST /first HTTP/1.0\r\n{_HOST}Transfer-Encoding: chunked\r\n\r\n{_CHUNKED}",
    "HTTP/1.0 that stays": f"GET /first HTTP/1.0\r\n{_HOST}Connection: keep-alive\r\n\r\n",
}


def _pairs(lengths: tuple[str, ...], encodings: tuple[str, ...]) -> Iterator[Form]:
    for length, encoding in itertools.product(lengths, encodings):
        body = _CHUNKED + _GET
        said = length.replace("{n}", str(len(_CHUNKED))).replace("{x}", f"{len(_CHUNKED):x}")
        yield _post(f"{length!r} and {encoding!r}", f"{said}\r\n{encoding}\r\n", body)
        yield _post(f"{encoding!r} and {length!r}", f"{encoding}\r\n{said}\r\n", body)


def _alone() -> Iterator[Form]:
    for encoding in _TRANSFER_ENCODINGS:
        yield _post(repr(encoding), f"{encoding}\r\n", _CHUNKED)
    for length in _LENGTHS:
        said = length.replace("{n}", str(len(_GET))).replace("{x}", f"{len(_GET):x}")
        yield _post(repr(length), f"{said}\r\n", _GET)
    for name, body in _CHUNKS.items():
        yield _post(name, "Transfer-Encoding: chunked\r\n", body)
    for name, text in _HEADS.items():
        yield Form(name, text)


SINGLE: tuple[Form, ...] = tuple(_alone())
"""Each oddity alone."""

PAIRED: tuple[Form, ...] = tuple(_pairs(_LENGTHS, _TRANSFER_ENCODINGS))
"""Each way to give a length with each way to say that there are chunks, in both orders."""

LAST = "GET /last HTTP/1.1\r\nHost: {host}\r\nX-Canary: last\r\nConnection: close\r\n\r\n"
"""The ordinary request behind every form."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back on one connection until its end."""

    statuses: list[int]
    bodies: list[bytes]
    """Of the answers that a backend gave."""
    rest: bytes
    """What is no answer."""


def send(
    port: int, data: bytes, *, tls: ssl.SSLContext | None = None, sni: str = "", patience: float = 0.25
) -> Answers:
    """Send bytes and read all answers until the connection ends; one that goes quiet is told that no more will come."""
    plain = socket.create_connection(("127.0.0.1", port), 10)
    with tls.wrap_socket(plain, server_hostname=sni) if tls else plain as connection:
        # It may be closed before everything was sent; what was answered can still be read.
        with contextlib.suppress(OSError):
            connection.sendall(data)
        return _read(connection, patience, is_head=data.startswith(b"HEAD"))


def _read(connection: socket.socket, patience: float, *, is_head: bool) -> Answers:
    connection.settimeout(patience)
    received = b""
    with contextlib.suppress(OSError):
        while part := connection.recv(1 << 16):
            received += part
    return _parse(received, is_head=is_head)


def _parse(received: bytes, *, is_head: bool) -> Answers:
    statuses: list[int] = []
    bodies: list[bytes] = []
    reader = _http1.Reader(until_close=True, head_only=is_head)
    try:
        messages = [*reader.feed(received), *(m for m in [reader.finish()] if m)]
    except ValueError:
        return Answers(statuses, bodies, bytes(reader.data) or received)
    for message in messages:
        if message.first[1].startswith("1"):
            continue
        statuses.append(int(message.first[1]))
        if message.get("X-Backend"):
            bodies.append(message.body)
    return Answers(statuses, bodies, bytes(reader.data))
