"""What clients may speak: HTTP/1.0, pipelines, 100-continue, HTTP/2 beside HTTP/1 on both ports."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest

from harness import certs, http, http2, smuggling
from harness.backends import Backend, Backends
from harness.dataplane import DataPlane, simple
from tidegate.model import Host

HOST = "clients.example"


@pytest.fixture(scope="module")
def backend(pool: Backends) -> Backend:
    return pool.one("clients")


@pytest.fixture(scope="module")
def plane(backend: Backend) -> Iterator[DataPlane]:
    entries = simple(HOST, "web", [(backend.address, backend.port)])
    # What belongs to no host belongs to this route too.
    entries["h/main/_"] = Host(fallback=f"ns/{HOST}/0")
    with DataPlane(entries) as started:
        yield started


@pytest.mark.parametrize(
    ("head", "told", "stays"),
    [
        (f"GET / HTTP/1.0\r\nHost: {HOST}\r\n", HOST, False),
        (f"GET / HTTP/1.0\r\nHost: {HOST}\r\nConnection: keep-alive\r\n", HOST, True),
        ("GET / HTTP/1.0\r\n", "127.0.0.1", False),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n", "127.0.0.1", True),
        (f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n", HOST, False),
        (f"GET / HTTP/1.1\r\nHost: {HOST}\r\n", HOST, True),
    ],
)
@pytest.mark.parametrize("port", ["plain", "TLS"])
def test_http1_of_both_versions_is_answered(
    plane: DataPlane,
    port: str,
    head: str,
    told: str,
    stays: bool,  # noqa: FBT001 - of the table
) -> None:
    """The backend is always asked by HTTP/1.1, with a Host header; the connection stays if the client wants it."""
    tls = certs.credulous() if port == "TLS" else None
    with http.Connection(plane.https if tls else plane.http, tls=tls, sni=HOST) as connection:
        for _ in range(2 if stays else 1):
            connection.send(f"{head}\r\n".encode())
            answer = connection.receive()
            assert (answer.status, answer.echo.version, answer.echo.get("Host")) == (200, "HTTP/1.1", [told])
        if not stays:
            assert connection.read() == b""


def test_requests_in_a_pipeline_are_answered_in_order(plane: DataPlane) -> None:
    """Also when a later answer is there before an earlier one."""
    parts = [f"GET /{n}?delay={0.05 * (n % 2)} HTTP/1.1\r\nHost: {HOST}\r\n\r\n" for n in range(6)]
    parts.append(f"GET /last HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n")
    answers = smuggling.send(plane.http, "".join(parts).encode(), patience=2)
    uris = [http.Response(200, [], body).echo.uri.partition("?")[0] for body in answers.bodies]
    assert uris == [*(f"/{n}" for n in range(6)), "/last"]


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_whoever_waits_for_100_continue_gets_it(plane: DataPlane, version: str) -> None:
    """HTTP/1.0 does not know it: its body is simply read."""
    with http.Connection(plane.http) as connection:
        connection.send(
            f"POST / HTTP/{version}\r\nHost: {HOST}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n".encode()
        )
        if version == "1.1":
            assert connection.read().startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.send(b"hello")
        answer = connection.receive()
    assert (answer.status, answer.echo.body_length, answer.echo.get("Expect")) == (200, 5, [])


def test_a_body_that_will_be_refused_need_not_be_sent(plane: DataPlane, backend: Backend) -> None:
    """The answer comes in the place of 100."""
    before = backend.requests
    with http.Connection(plane.http) as connection:
        connection.send(
            f"POST / HTTP/1.1\r\nHost: {HOST}\r\nExpect: 100-continue\r\nContent-Length: 5000000\r\n\r\n".encode()
        )
        assert connection.receive().status == 413
    assert backend.requests == before


@pytest.mark.parametrize("port", ["plain", "TLS"])
def test_http2_is_answered_on_both_ports(plane: DataPlane, port: str) -> None:
    """By prior knowledge and by ALPN; many requests on one connection, with bodies."""
    tls = certs.credulous(alpn=("h2", "http/1.1")) if port == "TLS" else None
    with http2.Connection(plane.https if tls else plane.http, tls=tls, sni=HOST) as connection:
        for size in (0, 1, 100_000):
            echo = connection.ask("/", host=HOST, method="POST", body=b"x" * size).echo
            assert (echo.version, echo.body_length, echo.get("Host")) == ("HTTP/1.1", size, [HOST])


def test_http2_can_be_switched_off(backend: Backend) -> None:
    """Then ALPN offers HTTP/1.1 alone, and the preface is no request."""
    with DataPlane(simple(HOST, "web", [(backend.address, backend.port)]), http2=False) as plane:
        tls = certs.credulous(alpn=("h2", "http/1.1"))
        with http.Connection(plane.https, tls=tls, sni=HOST) as connection:
            assert connection.protocol == "http/1.1"
        with pytest.raises(OSError, match=r".*"), http2.Connection(plane.http) as refused:
            refused.ask("/", host=HOST)


def test_a_slow_head_does_not_hold_up_others(plane: DataPlane) -> None:
    """Requests that come byte by byte are read as they come."""
    data = http.request_bytes("/", host=HOST)
    with http.Connection(plane.http) as slow, http.Connection(plane.http) as other:
        for at, byte in zip(itertools.count(), data, strict=False):
            slow.send(bytes([byte]))
            if at % 20 == 0:
                assert other.ask("/", host=HOST).status == 200
                time.sleep(0.001)
        assert slow.receive().status == 200
