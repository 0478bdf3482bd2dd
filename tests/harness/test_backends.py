"""The backends of the harness tell exactly what they received, and misbehave exactly as asked."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

import pytest

from harness import http
from harness.backends import Backend, Backends


@pytest.fixture(scope="module")
def pool() -> Iterator[Backends]:
    with Backends() as started:
        yield started


@pytest.fixture(scope="module")
def web(pool: Backends) -> Backend:
    return pool.one("web")


def test_an_answer_tells_method_uri_headers_and_body(web: Backend) -> None:
    """Headers come back in order, with case and repetitions kept."""
    sent = [("X-One", "1"), ("x-two", "a"), ("X-Two", "b")]
    answer = http.get(web.port, "/a%20b?c", host="h", method="POST", headers=sent, body=b"hello")
    echo = answer.echo
    assert (echo.id, echo.method, echo.uri) == ("web", "POST", "/a%20b?c")
    assert [h for h in echo.headers if h[0].lower().startswith("x-")] == sent
    assert echo.body_sha256 == hashlib.sha256(b"hello").hexdigest()


def test_requests_of_one_connection_are_numbered(web: Backend) -> None:
    """So a test can see whether a connection was used again."""
    with http.Connection(web.port) as connection:
        first, second = (connection.ask("/").echo for _ in range(2))
    assert (first.request, second.request) == (1, 2)
    assert first.connection == second.connection


def test_a_chunked_body_is_put_together(web: Backend) -> None:
    """Chunks may arrive in any pieces."""
    with http.Connection(web.port) as connection:
        head = http.request_bytes("/", host="h", method="POST", headers=[("Transfer-Encoding", "chunked")])
        for piece in (head, b"3\r\nab", b"c\r\n2;x=y\r\nde\r\n", b"0\r\n", b"\r\n"):
            connection.send(piece)
            time.sleep(0.01)
        echo = connection.receive().echo
    assert (echo.body_length, echo.body_sha256) == (5, hashlib.sha256(b"abcde").hexdigest())


def test_instances_of_a_group_share_a_port(pool: Backends) -> None:
    """As the endpoints of one EndpointSlice do."""
    group = pool.group("api", 3)
    assert len({b.port for b in group}) == 1
    for backend in group:
        with http.Connection(backend.port, address=backend.address) as connection:
            assert connection.ask("/").backend == backend.id


@pytest.mark.parametrize("wish", ["close", "reset", "cut"])
def test_an_answer_can_be_withheld(web: Backend, wish: str) -> None:
    """The client sees the connection end."""
    with pytest.raises(ConnectionError):
        http.get(web.port, f"/?{wish}=1")


def test_an_answer_can_be_late_large_streamed_or_an_error(web: Backend) -> None:
    """Each by one word in the query."""
    start = time.monotonic()
    assert http.get(web.port, "/?delay=0.2").status == 200
    assert time.monotonic() - start >= 0.2
    assert http.get(web.port, "/?status=418&header=X-A:%20b").get("X-A") == "b"
    assert http.get(web.port, "/?bytes=10&chunks=3").body == b"x" * 30


def test_an_upgraded_connection_echoes(web: Backend) -> None:
    """After 101 every byte comes back."""
    with http.Connection(web.port) as connection:
        answer = connection.ask("/", headers=[("Connection", "Upgrade"), ("Upgrade", "websocket")])
        assert answer.status == 101
        connection.send(b"ping")
        assert connection.read() == b"ping"


def test_an_instance_can_refuse_and_come_back(pool: Backends) -> None:
    """Its open connections end, as if the process had died."""
    backend = pool.one("mortal")
    with http.Connection(backend.port) as connection:
        assert connection.ask("/").status == 200
        backend.refuse()
        with pytest.raises(ConnectionError):
            connection.ask("/")
    with pytest.raises(ConnectionRefusedError):
        http.get(backend.port)
    backend.accept()
    assert http.get(backend.port).backend == "mortal"
