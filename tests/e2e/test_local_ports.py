"""A gateway with few local ports: kept connections carry the load, and when none is left no endpoint is blamed for it."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import http, netns
from harness.backends import Backend, Backends
from harness.dataplane import DataPlane, simple
from tidegate.model import Profile

HOST = "a.example"
OFF = Profile((("next_upstream", "off"),))
PORTS = 32100, 32199


def with_few_ports(work: Callable[[], None]) -> None:
    try:
        netns.run(work, ports=PORTS)
    except netns.NotPermitted as error:
        pytest.skip(str(error))


@contextlib.contextmanager
def gateway(count: int, *, off: bool = False) -> Iterator[tuple[DataPlane, list[Backend]]]:
    """Start backends and a worker in this thread's network."""
    with Backends() as pool:
        made = pool.group("web", count)
        route = {"profile": OFF.id} if off else {}
        entries = simple(HOST, "web", [(b.address, b.port) for b in made], **route)
        with DataPlane(entries, profiles=[OFF], workers=1) as plane:
            yield plane, made


@contextlib.contextmanager
def no_port_to(backend: Backend) -> Iterator[None]:
    """Hold a connection from every local port; their end is a reset, which leaves no port behind."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            while True:
                sock = stack.enter_context(socket.socket())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.connect((backend.address, backend.port))
        yield


def ask(plane: DataPlane, path: str, method: str = "GET") -> http.Response:
    with http.Connection(plane.http) as connection:
        return connection.ask(path, host=HOST, method=method)


@pytest.mark.parametrize(("off", "method"), [(False, "GET"), (True, "POST")])
def test_without_a_local_port_the_answer_is_503_and_the_endpoint_is_not_taken_for_dead(
    *, off: bool, method: str
) -> None:
    """It comes with Retry-After, nobody is passed over, and once a port is free the next request is served."""

    def work() -> None:
        with gateway(1, off=off) as (plane, (web,)):
            with no_port_to(web):
                answers = [ask(plane, f"/{n}", method=method) for n in range(5)]
                assert {(a.status, a.get("Retry-After")) for a in answers} == {(503, "5")}
            assert [ask(plane, "/", method=method).backend for _ in range(5)] == [web.id] * 5
            assert "Cannot assign requested address" in plane.errors
            assert "passed over" not in plane.errors
            # While one that is really gone is.
            web.refuse()
            assert ask(plane, "/", method=method).status == 502
            assert "passed over" in plane.errors

    with_few_ports(work)


def test_an_endpoint_that_ports_are_left_for_takes_the_requests() -> None:
    """Ports are counted by endpoint: another one may have some."""

    def work() -> None:
        with gateway(2) as (plane, (one, other)):
            with no_port_to(one):
                assert {ask(plane, f"/{n}").backend for n in range(6)} == {other.id}
            assert {ask(plane, f"/{n}").backend for n in range(6)} == {one.id, other.id}

    with_few_ports(work)


def test_a_hundred_local_ports_carry_thousands_of_requests() -> None:
    """Because connections are kept; as many are opened as there are requests at once."""

    def work() -> None:
        with gateway(1) as (plane, (web,)), ThreadPoolExecutor(8) as threads:

            def client(number: int) -> set[int]:
                with http.Connection(plane.http) as connection:
                    return {connection.ask(f"/{number}/{n}", host=HOST).status for n in range(250)}

            assert set().union(*threads.map(client, range(8))) == {200}
            assert web.connections <= 8

    with_few_ports(work)
