"""What lasts or is large: WebSockets, events, bodies that stream both ways; and upstreams that lie about their answers."""

from __future__ import annotations

import hashlib
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from harness import http
from harness.backends import Backends
from harness.certs import Authority
from harness.gateway import Gateway
from harness.manifests import path, rule, tls_secret
from harness.services import Services

HOST = "stream.example"
MIB = 1024 * 1024

LIES = {
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nlying",
    "length-and-chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nlying",
    "nul": b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 5\r\n\r\nlying",
    "huge-head": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000 + b"\r\nContent-Length: 5\r\n\r\nlying",
    "negative": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nlying",
    "nothing": b"",
}
"""Answers that are none: 502."""

LINE = b"lying lying lying\r\n\r\n"

EXTRA = {
    "more-than-said": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrueHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlying",
    "body-of-204": b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlying",
}
"""Answers with something beside them that must reach nobody."""


class _Liar(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while True:
            lines = list(iter(lambda: self.rfile.readline().strip(), b""))
            if not lines:
                return
            name = lines[0].split()[1].decode().strip("/")
            self.wfile.write(
                {**LIES, **EXTRA, "no-http": LINE}.get(
                    name, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"
                )
            )
            if name in LIES or name == "no-http":
                return


class Liar:
    """An upstream that answers each path with the bytes of that name."""

    def __init__(self) -> None:
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Liar)
        self._server.daemon_threads = True
        self.address, self.port = "127.0.0.1", int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Sockets:
    """A WebSocket server that echoes, and refuses ``/no``."""

    def __init__(self) -> None:
        self._server = serve(self._echo, "127.0.0.1", 0, max_size=None, process_request=self._refuse)
        self.address, self.port = self._server.socket.getsockname()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @staticmethod
    def _echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    @staticmethod
    def _refuse(connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(403, "no\n") if request.path == "/no" else None

    def close(self) -> None:
        self._server.shutdown()


@pytest.fixture(scope="module")
def gateway(pool: Backends, authority: Authority) -> Iterator[Gateway]:
    services = Services(pool, "long")
    sockets, liar = Sockets(), Liar()
    free = {"ssl-redirect": "false", "proxy-body-size": "0", "proxy-request-buffering": "off"}
    objects = [
        *services.make("web"),
        *services.of("sockets", [sockets]),
        *services.of("liar", [liar]),
        tls_secret("pair", authority.issue(HOST), namespace="long"),
        services.ingress(
            "all",
            rule(HOST, path("/", "web"), path("/ws", "sockets")),
            annotations=free,
            tls=[([HOST], "pair")],
        ),
        services.ingress("plain", rule("plain.example", path("/", "web"), path("/no", "sockets"))),
        services.ingress("liar", rule("liar.example", path("/", "liar"))),
    ]
    with Gateway(objects) as started:
        yield started
    sockets.close()
    liar.close()


@pytest.mark.parametrize("secure", [False, True])
def test_a_websocket_passes_messages_of_any_size(
    gateway: Gateway,
    authority: Authority,
    secure: bool,  # noqa: FBT001
) -> None:
    """Text and binary, small and large, over plain text and TLS."""
    context: ssl.SSLContext | None = authority.client() if secure else None
    port = gateway.https_port if secure else gateway.http_port
    raw = socket.create_connection(("127.0.0.1", port))
    uri = f"{'wss' if secure else 'ws'}://{HOST}/ws"
    with connect(uri, sock=raw, ssl=context, server_hostname=HOST if secure else None, max_size=None) as made:
        for message in ("hello", b"\x00\xff" * 10, "x" * 200_000, b"y" * 3 * MIB, ""):
            made.send(message)
            assert made.recv(timeout=10) == message
        assert made.ping().wait(10)


def test_a_websocket_that_is_refused_is_an_ordinary_answer(gateway: Gateway) -> None:
    """The connection to the client is no tunnel: it takes the next request."""
    raw = socket.create_connection(("127.0.0.1", gateway.http_port))
    with pytest.raises(InvalidStatus, match="403"), connect("ws://plain.example/no", sock=raw):
        pass
    headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "x"),
        ("Sec-WebSocket-Version", "13"),
    ]
    with http.Connection(gateway.http_port) as connection:
        assert connection.ask("/no", host="plain.example", headers=headers).status in {400, 403}
        assert connection.ask("/next", host="plain.example").echo.uri == "/next"


@pytest.mark.parametrize("protocol", ["h2c", "HTTP/2.0", "TLS/1.0", "websocket, h2c", "irc"])
@pytest.mark.parametrize("host", [HOST, "plain.example"])
def test_nothing_else_is_tunnelled(gateway: Gateway, host: str, protocol: str) -> None:
    """The backend sees no upgrade and answers as usual."""
    headers = [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", protocol),
        ("HTTP2-Settings", "AAMAAABkAARAAAAA"),
    ]
    answer = gateway.get(host, headers=headers)
    assert answer.status == 200
    for name in ("Upgrade", "HTTP2-Settings", "Connection"):
        assert answer.echo.get(name) in ([], [""], ["keep-alive"])


def test_a_client_that_waits_for_100_gets_it(gateway: Gateway) -> None:
    """Buffered or not; and then its answer."""
    for host in (HOST, "plain.example"):
        with http.Connection(gateway.http_port) as connection:
            head = [("Expect", "100-continue"), ("Content-Length", "4")]
            connection.send(http.request_bytes("/", host=host, method="POST", headers=head))
            assert connection.read() == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.send(b"body")
            assert connection.receive().echo.body_length == 4


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_large_bodies_stream_both_ways_without_files(gateway: Gateway) -> None:
    """64 MiB each way: no file is written, workers do not grow, nothing is lost."""
    temporary = list((gateway.state_dir / "nginx").glob("*/temp-*"))
    assert temporary
    before = sum(rss(pid) for pid in gateway.workers)
    piece, digest = b"0123456789abcdef" * 4096, hashlib.sha256()
    with http.Connection(gateway.http_port, timeout=60) as connection:
        connection.send(
            http.request_bytes("/", host=HOST, method="POST", headers=[("Transfer-Encoding", "chunked")])
        )
        for _ in range(1024):
            digest.update(piece)
            connection.send(chunk(piece))
        during = sum(rss(pid) for pid in gateway.workers)
        assert [f for folder in temporary for f in folder.rglob("*") if f.is_file()] == []
        connection.send(b"0\r\n\r\n")
        echo = connection.receive().echo
    assert (echo.body_length, echo.body_sha256) == (64 * MIB, digest.hexdigest())
    body = gateway.get(HOST, f"/?bytes={64 * MIB}", timeout=60).body
    assert hashlib.sha256(body).digest() == hashlib.sha256(b"x" * (64 * MIB)).digest()
    assert [f for folder in temporary for f in folder.rglob("*") if f.is_file()] == []
    assert during - before < 10 * MIB


def rss(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096


def test_events_come_one_by_one(gateway: Gateway) -> None:
    """The first is there while the rest is not."""
    with http.Connection(gateway.http_port) as connection:
        accept = [("Accept", "text/event-stream")]
        started = time.monotonic()
        connection.send(
            http.request_bytes("/?chunks=3&every=0.3&bytes=6", host="plain.example", headers=accept)
        )
        data = b""
        while b"xxxxxx" not in data:
            data += connection.read()
        first = time.monotonic() - started
        while not data.endswith(b"0\r\n\r\n"):
            data += connection.read()
        assert first < (time.monotonic() - started) / 2


@pytest.mark.parametrize("name", LIES)
def test_an_answer_that_is_none_is_502(gateway: Gateway, name: str) -> None:
    """No byte of it reaches the client, and the next request is well."""
    with http.Connection(gateway.http_port) as connection:
        answer = connection.ask(f"/{name}", host="liar.example")
        assert (answer.status, b"lying" in answer.body) == (502, False)
        assert connection.ask("/true", host="liar.example").body == b"true"


@pytest.mark.parametrize("name", EXTRA)
def test_what_stands_beside_an_answer_reaches_nobody(gateway: Gateway, name: str) -> None:
    """Neither this client nor the next one on the same connection to the upstream."""
    for _ in range(4):
        with http.Connection(gateway.http_port) as connection:
            answer = connection.ask(f"/{name}", host="liar.example")
            assert answer.status in {200, 204, 502}
            assert b"lying" not in answer.body
            assert connection.ask("/true", host="liar.example").body == b"true"


def test_an_answer_without_a_status_line_ends_the_connection(gateway: Gateway) -> None:
    """Taken for HTTP/0.9 it passes, but nothing can come after it: it is no answer to the next request."""
    with http.Connection(gateway.http_port) as connection:
        connection.send(http.request_bytes("/no-http", host="liar.example"))
        received = b""
        while data := connection.read():
            received += data
        assert received in {b"", LINE}
    assert gateway.get("liar.example", "/true").body == b"true"
