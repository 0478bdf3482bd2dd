"""How requests and answers pass: bodies and their limits, streams, upgrades, timeouts, retries, keepalive."""

from __future__ import annotations

import contextlib
import hashlib
import time

import pytest

from harness import http, http2, waiting
from harness.gateway import Gateway
from harness.manifests import path, rule
from harness.services import Services

MIB = 1024 * 1024


def app(gateway: Gateway, services: Services, host: str, count: int = 1, **annotations: str) -> None:
    named = {k.replace("_", "-"): v for k, v in annotations.items()}
    gateway.apply(
        *services.make("web", count=count),
        services.ingress("web", rule(host, path("/", "web")), annotations=named),
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_any_method_passes(gateway: Gateway, services: Services, host: str, method: str) -> None:
    """With its body, if it has one."""
    app(gateway, services, host)
    body = b"some body" if method in {"POST", "PUT", "PATCH"} else b""
    answer = gateway.get(host, "/m", method=method, body=body)
    assert answer.status == 200
    if method != "HEAD":
        assert (answer.echo.method, answer.echo.body_length) == (method, len(body))


def send_chunked(gateway: Gateway, host: str, body: bytes) -> http.Response:
    with http.Connection(gateway.http_port) as connection:
        connection.send(
            http.request_bytes("/", host=host, method="POST", headers=[("Transfer-Encoding", "chunked")])
        )
        # It may be refused while it is still being sent; the answer is there to be read.
        with contextlib.suppress(OSError):
            for at in range(0, len(body), 65536):
                part = body[at : at + 65536]
                connection.send(b"%x\r\n%s\r\n" % (len(part), part))
            connection.send(b"0\r\n\r\n")
        return connection.receive()


def send_http2(gateway: Gateway, host: str, body: bytes) -> http.Response:
    with http2.Connection(gateway.http_port) as connection:
        return connection.ask("/", host=host, method="POST", body=body)


def send_whole(gateway: Gateway, host: str, body: bytes) -> http.Response:
    with http.Connection(gateway.http_port) as connection:
        with contextlib.suppress(OSError):
            connection.send(http.request_bytes("/", host=host, method="POST", body=body))
        return connection.receive()


SENDERS = {"Content-Length": send_whole, "chunked": send_chunked, "HTTP/2": send_http2}


@pytest.mark.parametrize("sender", SENDERS)
def test_a_body_over_one_mebibyte_is_413_by_default(
    gateway: Gateway, services: Services, host: str, sender: str
) -> None:
    """However it is sent; one of just that size passes whole."""
    app(gateway, services, host)
    body = b"x" * MIB
    assert SENDERS[sender](gateway, host, body).echo.body_sha256 == hashlib.sha256(body).hexdigest()
    assert SENDERS[sender](gateway, host, body + b"y").status == 413


@pytest.mark.parametrize(
    ("size", "fits", "too_much"), [("2k", 2048, 2049), ("3m", 3 * MIB, 3 * MIB + 1), ("0", 9 * MIB, 0)]
)
def test_the_limit_of_a_body_is_the_annotations(
    gateway: Gateway, services: Services, host: str, size: str, fits: int, too_much: int
) -> None:
    """Smaller, larger, or none."""
    app(gateway, services, host, proxy_body_size=size)
    waiting.until(lambda: send_whole(gateway, host, b"x" * fits).status == 200, 20, 0.05, why="the profile")
    for send in SENDERS.values():
        assert send(gateway, host, b"x" * fits).status == 200
        if too_much:
            assert send(gateway, host, b"x" * too_much).status == 413


def first_and_last(gateway: Gateway, host: str) -> tuple[float, float]:
    """Give the times after which the first and the last byte of a slow stream arrive."""
    with http.Connection(gateway.http_port) as connection:
        start = time.monotonic()
        connection.send(http.request_bytes("/?chunks=6&every=0.1&bytes=10", host=host))
        data, first = b"", 0.0
        while not data.endswith(b"0\r\n\r\n"):
            data += connection.read()
            if b"xxxxxxxxxx" in data and not first:
                first = time.monotonic() - start
    return first, time.monotonic() - start


def test_an_answer_is_passed_on_as_it_comes(gateway: Gateway, services: Services, host: str) -> None:
    """Unless buffering is asked for: then small parts wait for each other."""
    app(gateway, services, host)
    first, last = first_and_last(gateway, host)
    assert first < last / 2


def test_a_buffered_answer_arrives_whole(gateway: Gateway, services: Services, host: str) -> None:
    """However large, and however slow its reader."""
    app(gateway, services, host, proxy_buffering="on")
    body = gateway.get(host, "/?bytes=3000000").body
    assert body == b"x" * 3_000_000


def test_a_large_answer_passes_unbuffered(gateway: Gateway, services: Services, host: str) -> None:
    """Byte for byte."""
    app(gateway, services, host)
    assert gateway.get(host, "/?bytes=3000000").body == b"x" * 3_000_000


def test_an_upgraded_connection_is_a_tunnel_and_outlives_the_read_timeout(
    gateway: Gateway, services: Services, host: str
) -> None:
    """Streams have a timeout of their own, unless an annotation says otherwise."""
    app(gateway, services, host)
    with http.Connection(gateway.http_port) as connection:
        headers = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
        assert connection.ask("/ws", host=host, headers=headers).status == 101
        for word in (b"one", b"two"):
            connection.send(word)
            assert connection.read() == word


def test_a_backend_that_takes_too_long_is_504(gateway: Gateway, services: Services, host: str) -> None:
    """After the annotation's seconds, for one try; others are not touched."""
    app(gateway, services, host, proxy_read_timeout="1")
    assert gateway.get(host, "/?delay=0.2").status == 200
    answer = gateway.get(host, "/?delay=8", method="POST", timeout=15)
    assert answer.status == 504


def test_a_dead_endpoint_costs_no_request(gateway: Gateway, services: Services, host: str) -> None:
    """The next one is tried; a POST too, as long as no connection was made."""
    instances = services.start("web", 3)
    gateway.apply(*services.of("web", instances), services.ingress("web", rule(host, path("/", "web"))))
    instances[1].refuse()
    for method in ("GET", "POST"):
        answers = [gateway.get(host, "/", method=method, body=b"x" * (method == "POST")) for _ in range(9)]
        assert {a.status for a in answers} == {200}
        assert {a.backend for a in answers} == {services.instance("web", 0), services.instance("web", 2)}


def test_a_backend_that_hangs_up_is_asked_again_elsewhere_only_if_that_is_safe(
    gateway: Gateway, services: Services, host: str
) -> None:
    """A GET is tried three times, a POST never twice."""
    instances = services.start("web", 3)
    gateway.apply(*services.of("web", instances), services.ingress("web", rule(host, path("/", "web"))))
    assert gateway.get(host, "/?close=1").status == 502
    assert [b.requests for b in instances] == [1, 1, 1]
    assert gateway.get(host, "/?close=1", method="POST", body=b"x").status == 502
    assert sum(b.requests for b in instances) == 4


def test_no_living_endpoint_is_502(gateway: Gateway, services: Services, host: str) -> None:
    """Not a hang, not a reset."""
    instances = services.start("web", 2)
    gateway.apply(*services.of("web", instances), services.ingress("web", rule(host, path("/", "web"))))
    for backend in instances:
        backend.refuse()
    assert gateway.get(host).status == 502


def test_requests_go_round_all_endpoints_evenly(gateway: Gateway, services: Services, host: str) -> None:
    """Each worker takes turns; a connection stays with its worker."""
    app(gateway, services, host, count=4)
    with http.Connection(gateway.http_port) as connection:
        seen = [connection.ask("/", host=host).backend for _ in range(40)]
    assert sorted(seen.count(services.instance("web", n)) for n in range(4)) == [10, 10, 10, 10]


def test_connections_to_backends_are_used_again(gateway: Gateway, services: Services, host: str) -> None:
    """One client connection needs one backend connection."""
    (backend,) = services.start("web")
    gateway.apply(*services.of("web", [backend]), services.ingress("web", rule(host, path("/", "web"))))
    with http.Connection(gateway.http_port) as connection:
        for _ in range(20):
            assert connection.ask("/", host=host).status == 200
    assert backend.connections == 1


def test_statuses_and_headers_of_a_backend_pass(gateway: Gateway, services: Services, host: str) -> None:
    """Errors too: they are the backend's own."""
    app(gateway, services, host)
    for status in (201, 301, 404, 418, 500, 503):
        answer = gateway.get(host, f"/?status={status}&header=X-Own:%20{status}")
        assert (answer.status, answer.get("X-Own")) == (status, str(status))
        assert answer.backend == services.instance("web")
