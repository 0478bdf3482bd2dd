"""Requests that try to break a line of a log: raw bytes wherever a client may put some.

Each one ends in exactly one answer: its connection is closed after it.
"""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import subprocess

_NASTY = (
    b'"', b"\\", b'","status":200,"x":"', b"\x1b[2J", b"\x7f", b"\xff\xfe", b"\xc3\xa9", b"\xc0\xaf", b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x80\xa8", b"\x1e", b"\x1d", b"\x1c9/1 99999999",
    b"\t", b"%00", b"$host", b"\x85",
    b"\\u0000", b"{}", b"\x01", b"\x80",
)  # fmt: skip
_TIMEOUT = 10.0


def text(chance: random.Random, *, length: int = 6) -> bytes:
    """Give bytes that a log could trip over; no line end and no NUL, which end a request's head early."""
    count = chance.randint(1, length)
    parts = [chance.choice(_NASTY) if chance.random() < 0.7 else chance.randbytes(3) for _ in range(count)]
    return b"".join(parts).replace(b"\n", b"").replace(b"\r", b"").replace(b"\0", b"")


def request(chance: random.Random, host: bytes) -> bytes:
    """Give one request with hostile bytes in one or more of its places."""
    method, uri, name = b"GET", b"/", host
    headers = [b"Connection: close"]
    for place in chance.sample(["method", "uri", "query", "host", "agent", "referer", "id", "name"], 2):
        match place:
            case "method":
                method = text(chance).replace(b" ", b"") or b"X"
            case "uri":
                uri = b"/" + text(chance).replace(b" ", b"")
            case "query":
                uri += b"?" + text(chance).replace(b" ", b"")
            case "host":
                name = text(chance)
            case "agent":
                headers.append(b"User-Agent: " + text(chance))
            case "referer":
                headers.append(b"Referer: " + text(chance))
            case "id":
                headers.append(b"X-Request-ID: " + text(chance))
            case _:
                headers.append(b"X-" + text(chance) + b": 1")
    return b"\r\n".join([method + b" " + uri + b" HTTP/1.1", b"Host: " + name, *headers, b"", b""])


def send(port: int, data: bytes, *, tls: ssl.SSLContext | None = None) -> bytes:
    """Send raw bytes and give all that comes back."""
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT))
        if tls:
            sock = stack.enter_context(tls.wrap_socket(sock))
        sock.sendall(data)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                answer += piece
        return answer


def send_with_sni(port: int, name: bytes, data: bytes) -> bytes:
    """Send bytes over TLS with any bytes as server name."""
    argv = [b"openssl", b"s_client", b"-quiet", b"-connect", b"127.0.0.1:%d" % port, b"-servername", name]
    return subprocess.run(argv, input=data, capture_output=True, timeout=_TIMEOUT, check=False).stdout
