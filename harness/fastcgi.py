"""A minimal FastCGI responder that tells which parameters and which body it got, as JSON.

One request on a connection, as PHP's does where the web server does not keep connections.
"""

from __future__ import annotations

import hashlib
import socketserver
import struct
import threading
from types import TracebackType
from typing import Self

import msgspec

from harness import waiting

_HEADER = struct.Struct(">BBHHBx")
_END_REQUEST, _PARAMS, _STDIN, _STDOUT = 3, 4, 5, 6


class Told(msgspec.Struct, frozen=True):
    """What a request brought."""

    params: dict[str, str]
    body_length: int
    body_sha256: str


class FastCgi:
    """One FastCGI server on a loopback address."""

    def __init__(self, name: str) -> None:
        self.id, self.address, self.port = name, "127.0.0.1", waiting.free_ports(1)[0]
        self._server = socketserver.ThreadingTCPServer(
            (self.address, self.port), _handler(name), bind_and_activate=False
        )
        self._server.allow_reuse_address = True
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        self._server.server_bind()
        self._server.server_activate()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(name: str) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            params, body = bytearray(), bytearray()
            request = 0
            while True:
                head = self.rfile.read(_HEADER.size)
                if len(head) < _HEADER.size:
                    return
                _, kind, request, length, padding = _HEADER.unpack(head)
                content = self.rfile.read(length)
                self.rfile.read(padding)
                if kind == _PARAMS:
                    params += content
                elif kind == _STDIN:
                    body += content
                    if not content:
                        break
            self.wfile.write(_answer(request, name, _pairs(bytes(params)), bytes(body)))

    return Handler


def _answer(request: int, name: str, params: dict[str, str], body: bytes) -> bytes:
    told = msgspec.json.encode(Told(params, len(body), hashlib.sha256(body).hexdigest()))
    status = params.get("QUERY_STRING", "").partition("status=")[2] or "200"
    text = (
        f"Status: {status} Answer\r\nContent-Type: application/json\r\nX-Backend: {name}\r\n\r\n".encode()
        + told
    )
    return (
        _record(_STDOUT, request, text)
        + _record(_STDOUT, request, b"")
        + _record(_END_REQUEST, request, bytes(8))
    )


def _record(kind: int, request: int, content: bytes) -> bytes:
    return _HEADER.pack(1, kind, request, len(content), 0) + content


def _pairs(data: bytes) -> dict[str, str]:
    found, at = {}, 0
    while at < len(data):
        lengths = []
        for _ in range(2):
            size = data[at]
            if size & 0x80:
                size = struct.unpack_from(">I", data, at)[0] & 0x7FFFFFFF
                at += 4
            else:
                at += 1
            lengths.append(size)
        name, value = data[at : at + lengths[0]], data[at + lengths[0] : at + sum(lengths)]
        at += sum(lengths)
        found[name.decode()] = value.decode()
    return found
