"""Streams: WebSocket and server-sent events outlive the usual timeouts, and nothing else does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import http
from harness.backends import Backends
from harness.dataplane import DataPlane, settings, simple
from tidegate.model import Profile

SOCKET = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
EVENTS = [("Accept", "text/event-stream")]
BUFFERED = Profile((("buffering", False),))


@pytest.fixture(scope="module")
def backends() -> Iterator[Backends]:
    with Backends() as started:
        yield started


@pytest.fixture(scope="module")
def plane(backends: Backends) -> Iterator[DataPlane]:
    web = backends.one("web")
    address = [(web.address, web.port)]
    entries = {
        "g": settings(read_timeout=1, send_timeout=1),
        **simple("plain.example", "web", address),
        **simple("profile.example", "web", address, profile=BUFFERED.id),
        **simple("vhost.example", "web", address, settings={"upstream_vhost": ["other.example"]}),
        **simple("explicit.example", "web", address, settings={"read_timeout": 1}),
        **simple("both.example", "web", address, settings={"read_timeout": 1}, profile=BUFFERED.id),
    }
    with DataPlane(entries, read_timeout=1, send_timeout=1, workers=1) as started:
        yield started


FREE = ["plain.example", "profile.example", "vhost.example"]
BOUND = ["explicit.example", "both.example"]


def outlives(plane: DataPlane, host: str) -> bool:
    """Tell whether a WebSocket is there after a pause longer than the read timeout."""
    with http.Connection(plane.http) as connection:
        assert connection.ask("/", host=host, headers=SOCKET).status == 101
        time.sleep(1.5)
        connection.send(b"one")
        return connection.read() == b"one"


def test_a_websocket_outlives_the_read_timeout_unless_an_annotation_says_otherwise(plane: DataPlane) -> None:
    """It is cut only where the route has an explicit timeout."""
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda host: outlives(plane, host), [*FREE, *BOUND])
    assert dict(zip([*FREE, *BOUND], found, strict=True)) == {
        **dict.fromkeys(FREE, True),
        **dict.fromkeys(BOUND, False),
    }


def test_events_outlive_the_read_timeout(plane: DataPlane) -> None:
    """A pause between two of them is no end."""

    def ask(host: str) -> bytes:
        return http.get(plane.http, "/?chunks=2&every=1.4&bytes=5", host=host, headers=EVENTS).body

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(ask, FREE)) == [b"xxxxx" * 2] * len(FREE)


def test_other_requests_do_not(plane: DataPlane) -> None:
    """Whatever their Connection header says."""
    asked = [
        (host, headers)
        for host in [*FREE, *BOUND]
        for headers in ([], [("Connection", "x-own")], [("Accept", "text/event-stream, text/html")])
    ]

    def ask(item: tuple[str, list[tuple[str, str]]]) -> int:
        return http.get(plane.http, "/?delay=4", host=item[0], method="POST", headers=item[1]).status

    with ThreadPoolExecutor(len(asked)) as pool:
        assert set(pool.map(ask, asked)) == {504}


@pytest.mark.parametrize("headers", [[], SOCKET, EVENTS, [("Connection", "x-own")]])
def test_streams_have_the_same_limit_of_a_body(plane: DataPlane, headers: list[tuple[str, str]]) -> None:
    """One mebibyte by default, judged by the announced length."""
    with http.Connection(plane.http) as connection:
        large = [*headers, ("Content-Length", str(2**20 + 1))]
        connection.send(http.request_bytes("/", host="plain.example", method="POST", headers=large))
        assert connection.receive().status == 413
