"""Backends whose answers are more, or less, than one answer: none of it becomes the answer to another request."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from harness import cpu, http, waiting
from harness.dataplane import DataPlane, settings, simple

HOST = "liar.example"
TRUE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"
LYING = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlying"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

EXTRA = {
    "after-the-last-chunk": CHUNKED + b"4\r\ntrue\r\n0\r\n\r\n" + LYING,
    "body-of-head": TRUE + LYING,
    "body-of-304": b"HTTP/1.1 304 Not Modified\r\n\r\nlying" + LYING,
    "split": b"HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\nContent-Length: 4\r\n\r\ntrue" + LYING,
}
"""More than an answer."""

BROKEN = {
    "early-end": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nlying",
    "no-last-chunk": CHUNKED + b"5\r\nlying\r\n",
    "chunk-of-no-size": CHUNKED + b"5\r\nlying\r\nxyz\r\n",
    "huge-chunk": CHUNKED + b"fffffffffffffffffff\r\nlying",
}
"""Answers whose bodies are not whole."""

HUGE = b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 1_000_000 + b"\r\nContent-Length: 5\r\n\r\nlying"


class Liar:
    """A backend that answers each path with what it names; ``103``: that status, a true answer and a lying one."""

    def __init__(self) -> None:
        self.sent = 0
        """Interim answers of the last flood."""
        self.ended = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.endpoint = self._socket.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file, contextlib.suppress(OSError):
            while lines := list(iter(lambda: file.readline().strip(), b"")):
                name = lines[0].split()[1].decode().strip("/")
                if name == "flood":
                    self._flood(connection)
                connection.sendall(self._answer(name))
                if name in BROKEN or name == "huge-head":
                    return

    def _answer(self, name: str) -> bytes:
        if name.isdigit():
            return f"HTTP/1.1 {name} Interim\r\nX-A: b\r\n\r\n".encode() + TRUE + LYING
        return {**EXTRA, **BROKEN, "huge-head": HUGE}.get(name, TRUE)

    def _flood(self, connection: socket.socket) -> None:
        self.sent = 0
        try:
            while True:
                connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n" * 100)
                self.sent += 100
        finally:
            self.ended.set()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    made = Liar()
    yield made
    made.close()


@pytest.fixture(scope="module")
def plane(liar: Liar) -> Iterator[DataPlane]:
    with DataPlane(simple(HOST, "liar", [liar.endpoint]), workers=1) as started:
        started.push({"g": settings(ssl_redirect=False)})
        yield started


@pytest.fixture(params=["plain", "tls"])
def client(request: pytest.FixtureRequest, plane: DataPlane) -> Iterator[http.Connection]:
    tls: Any = None
    if request.param == "tls":
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with http.Connection(plane.https if tls else plane.http, tls=tls) as made:
        yield made


def is_served(plane: DataPlane) -> bool:
    with http.Connection(plane.http) as connection:
        return connection.ask("/", host=HOST).body == b"true"


@pytest.mark.parametrize("status", ["000", "100", "101", "102", "103", "150", "199"])
def test_an_interim_answer_is_502_and_ends_the_connection(
    plane: DataPlane, client: http.Connection, status: str
) -> None:
    """What the backend sends after it is the answer to nothing, for whoever keeps to the end that it was told."""
    client.send(http.request_bytes(f"/{status}", host=HOST))
    received = b""
    while received.count(b"\r\n\r\n") < 2:
        received += client.read()
    interim, answer, *_ = received.split(b"\r\n\r\n")
    assert interim.startswith(b"HTTP/1.1 " + status.encode())
    assert answer.split(b"\r\n") == [b"HTTP/1.1 502 Bad Gateway", b"Connection: close", b"Content-Length: 0"]
    assert is_served(plane)


def test_a_flood_of_interim_answers_holds_nothing_once_the_client_has_gone(
    plane: DataPlane, liar: Liar
) -> None:
    """The client has its 502 from the first on; others are served meanwhile, and the worker does not grow."""
    (worker,) = plane.workers
    before = cpu.resident(worker)
    with http.Connection(plane.http) as connection:
        connection.send(http.request_bytes("/flood", host=HOST))
        received = b""
        while b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n" not in received:
            received += connection.read()
        assert is_served(plane)
    waiting.until(liar.ended.is_set, 10, why="end of the connection to the backend")
    assert cpu.resident(worker) - before < 2_000_000
    assert is_served(plane)


@pytest.mark.parametrize("name", EXTRA)
def test_what_comes_after_an_answer_reaches_nobody(plane: DataPlane, name: str) -> None:
    """Neither this client nor the next one on the same connection to the backend."""
    method = "HEAD" if name == "body-of-head" else "GET"
    for _ in range(4):
        with http.Connection(plane.http) as connection:
            answer = connection.ask(f"/{name}", host=HOST, method=method)
            assert answer.status in {200, 304, 502}
            assert b"lying" not in answer.body
            assert connection.ask("/", host=HOST).body == b"true"


@pytest.mark.parametrize("name", BROKEN)
def test_a_body_that_is_not_whole_does_not_look_whole(plane: DataPlane, name: str) -> None:
    """The client sees its connection end too early, and the next request is well."""
    with http.Connection(plane.http) as connection, pytest.raises((http.NoAnswer, ValueError)):
        connection.ask(f"/{name}", host=HOST)
    assert is_served(plane)


def test_a_head_of_a_megabyte_is_502(plane: DataPlane) -> None:
    """No byte of it reaches the client."""
    with http.Connection(plane.http) as connection:
        answer = connection.ask("/huge-head", host=HOST)
        assert (answer.status, b"lying" in answer.body) == (502, False)
        assert connection.ask("/", host=HOST).body == b"true"
