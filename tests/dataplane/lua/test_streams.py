"""The stream module's endpoints, set in nginx's own memory, and connections that a leaving worker passes on."""

from __future__ import annotations

import os
import random
import signal
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import certs, waiting
from harness.dataplane import DataPlane, simple
from harness.raw import Raw, RawBackends, name_at
from tidegate.model import Endpoint, Profile, StreamPort, Target


@pytest.fixture(scope="module")
def raw() -> Iterator[RawBackends]:
    with RawBackends() as started:
        yield started


def to(*backends: Raw) -> Target:
    return Target("ns", "svc", "7", tuple(Endpoint(b.address, b.port) for b in backends))


@pytest.fixture(scope="module")
def port() -> int:
    return waiting.free_ports(1)[0]


@pytest.fixture(scope="module")
def some(raw: RawBackends) -> list[Raw]:
    first = raw.tcp("0")
    return [first, *(raw.tcp(str(n), port=first.port) for n in range(1, 6))]


@pytest.fixture(scope="module")
def plane(some: list[Raw], port: int) -> Iterator[DataPlane]:
    with DataPlane({f"p/tcp/{port}": to(some[0])}, stream_ports=(StreamPort("tcp", port),)) as started:
        yield started


def names(port: int, count: int) -> Counter[str]:
    return Counter(name_at(port) for _ in range(count))


def test_what_was_there_at_the_start_is_served(plane: DataPlane, port: int) -> None:
    """Before a worker accepts, the endpoints are set."""
    assert names(port, 5) == {"0": 5}
    assert "emerg" not in plane.errors


def test_an_acknowledged_delta_is_in_force_in_every_worker(
    plane: DataPlane, port: int, some: list[Raw]
) -> None:
    """A hundred random sets of endpoints, each looked at right after its acknowledgement."""
    chance = random.Random(7)
    for _ in range(100):
        chosen = chance.sample(some, chance.randint(0, len(some)))
        plane.push({f"p/tcp/{port}": to(*chosen)})
        wanted = {b.name: 2 for b in chosen} or {"": 2}
        found = names(port, 2 * len(wanted))
        assert found.keys() == wanted.keys()
        assert max(found.values()) - min(found.values()) <= 2


def test_endpoints_change_under_connections_that_are_just_being_made(
    plane: DataPlane, port: int, some: list[Raw]
) -> None:
    """Two hundred changes under four clients: each connection reaches an endpoint, and no worker dies."""
    plane.push({f"p/tcp/{port}": to(*some)})
    workers, stop, failures = plane.workers, threading.Event(), list[str]()

    def connect() -> None:
        while not stop.is_set():
            if name_at(port) == "":
                failures.append("closed")

    clients = [threading.Thread(target=connect) for _ in range(4)]
    for client in clients:
        client.start()
    chance = random.Random(9)
    for _ in range(200):
        plane.push({f"p/tcp/{port}": to(*chance.sample(some, chance.randint(1, len(some))))})
    stop.set()
    for client in clients:
        client.join()
    assert failures == []
    assert plane.workers == workers


def test_memory_of_endpoints_that_are_gone_is_bounded(plane: DataPlane, port: int, some: list[Raw]) -> None:
    """More endpoints than the zone holds: what was there stays, all else goes on, and it is said."""
    many = tuple(Endpoint(f"10.{n // 250}.1.{n % 250}", 80) for n in range(1000))
    plane.push({f"p/tcp/{port}": to(some[1])})
    for n in range(30):
        later = tuple(Endpoint(e.address, 81 + n) for e in many)
        plane.push({f"p/tcp/{port}": Target("ns", "svc", "7", later)})
    assert "stay as they were: no memory" in plane.errors
    assert (
        plane.ask("GET", "/status")[1]["trouble"]
        == f"the endpoints of tcp/{port} stay as they were: no memory"
    )
    plane.push(simple("still.example", "web", []))
    assert len(plane.workers) == 2
    plane.push({f"p/tcp/{port}": to()})
    assert names(port, 3) == {"": 3}
    waiting.until(lambda: all("trouble" not in plane.ask("GET", "/status")[1] for _ in range(20)))


def test_an_ipv6_endpoint(raw: RawBackends) -> None:
    """Its address has brackets in the log."""
    port = waiting.free_ports(1)[0]
    six = socket.create_server(("::1", 0), family=socket.AF_INET6)
    with (
        six,
        DataPlane(
            {f"p/tcp/{port}": Target("ns", "svc", "7", (Endpoint("::1", six.getsockname()[1]),))},
            stream_ports=(StreamPort("tcp", port),),
        ) as plane,
    ):
        with socket.create_connection(("127.0.0.1", port), 10):
            six.accept()[0].close()
        waiting.until(lambda: '"upstream":"[::1]:' in (plane.folder / "access.log").read_text())


@pytest.mark.parametrize("host", ["passed.example", "ended.example"])
@pytest.mark.parametrize("cut", [0, 1, 100])
def test_a_client_hello_that_a_reload_overtakes_is_answered(reloaded: DataPlane, host: str, cut: int) -> None:
    """The worker that accepted is already leaving when the rest of it comes."""
    plane = reloaded
    hello = client_hello(host)
    with socket.create_connection(("127.0.0.1", plane.https), 10) as client:
        client.sendall(hello[:cut])
        before = set(plane.workers)
        waiting.until(lambda: name_at(plane.https, tls=certs.credulous(), sni="passed.example") == "secret")
        os.kill(plane.master, signal.SIGHUP)
        waiting.until(
            lambda: (
                len(set(plane.workers) - before) == 2 and all(map(is_leaving, before & set(plane.workers)))
            )
        )
        client.sendall(hello[cut:])
        assert client.recv(3) == b"\x16\x03\x03"


def is_leaving(pid: int) -> bool:
    try:
        return b"shutting down" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


@pytest.fixture(scope="module")
def reloaded(raw: RawBackends) -> Iterator[DataPlane]:
    secret = raw.tcp("secret", tls=certs.Authority().issue("passed.example"))
    with DataPlane(
        {"p/sni/passed.example": to(secret)}, passthrough=True, passthrough_hosts=("passed.example",)
    ) as plane:
        yield plane


def client_hello(name: str) -> bytes:
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = certs.credulous().wrap_bio(into, out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def test_another_nginx_is_not_touched(some: list[Raw], port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the placeholder is not what it should be, no memory is written: connections are closed, and it is said."""
    from tidegate.dataplane.render import _streams

    monkeypatch.setattr(_streams, "_PLACEHOLDER", "server 0.0.0.1:1 max_fails=5 down;")
    other = waiting.free_ports(1)[0]
    with DataPlane({f"p/tcp/{other}": to(some[0])}, stream_ports=(StreamPort("tcp", other),)) as plane:
        assert names(other, 3) == {"": 3}
        assert "does not lie in memory as expected" in plane.errors
        assert "is served: upstream" in plane.ask("GET", "/status")[1]["trouble"]
        plane.push(simple("still.example", "web", []))


def test_without_services_there_is_no_stream_block() -> None:
    """Who does not use them pays nothing."""
    from tidegate.dataplane import install, render
    from tidegate.model import NodeSettings

    text = render.render(NodeSettings(), [Profile()], install.find()).text
    assert "\nstream {" not in text
    assert "streams = false" in text
