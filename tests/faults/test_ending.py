"""What is under way when nginx ends or reloads: slow requests, held connections, HTTP/2; and starts from nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from harness import cpu, http, http2, manifests, victims, waiting
from harness.gateway import Gateway
from harness.manifests import Manifest, path, rule
from harness.services import Services
from harness.sockets import Held
from harness.trial import Recorders, Trial

HOST = "ending.example"


@pytest.fixture(scope="module")
def recorders() -> Iterator[Recorders]:
    with Recorders() as started:
        yield started


@pytest.fixture(scope="module")
def objects(recorders: Recorders) -> list[Manifest]:
    services = Services(None, "ending")  # type: ignore[arg-type]
    web = recorders.start("web", 2)
    return [
        *services.of("web", web),
        services.ingress("web", rule(HOST, path("/", "web"))),
        manifests.config_map({"worker-shutdown-timeout": "4s"}),
    ]


def test_what_is_under_way_at_sigterm_finishes_within_the_limit(objects: list[Manifest]) -> None:
    """Slow answers and streams come whole, held connections go on until the limit and are cut then, and that is the end."""
    with (
        Gateway(objects, access_log=False) as gateway,
        ExitStack() as held,
        ThreadPoolExecutor(24) as threads,
    ):
        sockets = [held.enter_context(Held(gateway.http_port, HOST)) for _ in range(20)]
        wanted = ["/?delay=2"] * 10 + ["/?chunks=10&every=0.2&bytes=1000"] * 10
        answers = [threads.submit(http.get, gateway.http_port, p, host=HOST) for p in wanted]
        time.sleep(0.5)
        assert gateway.process is not None
        start = time.monotonic()
        gateway.process.terminate()
        time.sleep(1)
        assert all(one.is_alive() for one in sockets)
        assert {(a.result().status, len(a.result().body) > 0) for a in answers} == {(200, True)}
        assert gateway.process.wait(20) == 0
        assert time.monotonic() - start < 4 + 5
        assert not any(one.is_alive() for one in sockets)


def test_without_anything_under_way_the_end_comes_at_once(objects: list[Manifest]) -> None:
    """Idle kept connections are nothing that is waited for; HTTP/2 clients are told to go."""
    with (
        Gateway(objects, access_log=False) as gateway,
        http.Connection(gateway.http_port) as kept,
        http2.Connection(gateway.http_port) as many,
    ):
        assert kept.ask("/", host=HOST).status == many.ask("/", host=HOST).status == 200
        frames: list[int] = []
        reading = threading.Thread(target=lambda: frames.extend(until_closed(many._socket)))
        reading.start()
        start = time.monotonic()
        assert gateway.terminate() == 0
        # The limit for what is under way is 4 s.
        assert time.monotonic() - start < 4
        reading.join()
        assert GOAWAY in frames


GOAWAY = 7


def until_closed(connection: socket.socket) -> list[int]:
    """Read to the end, then close, as clients do; give the kinds of the frames."""
    data, kinds = b"", []
    while more := connection.recv(1 << 16):
        data += more
        if GOAWAY in (kinds := list(frame_kinds(data))):
            break
    connection.close()
    return kinds


def frame_kinds(data: bytes) -> Iterator[int]:
    at = 0
    while len(data) >= at + 9:
        yield data[at + 3]
        at += 9 + int.from_bytes(data[at : at + 3], "big")


def test_reloads_under_held_connections_leave_few_old_workers(
    recorders: Recorders, objects: list[Manifest]
) -> None:
    """Old generations are bounded while the connections last, and all are gone after the limit; memory comes back."""
    with Gateway(objects, access_log=False) as gateway, ExitStack() as held:
        gateway.kill()
        nginx = int(gateway.status()["master"])
        most = before = 0
        with Trial(recorders, [f"web=http://{HOST}/"], ports=[gateway.http_port], mix="new=1") as load:
            for n in range(7):
                if n == 3:
                    # The first reloads make the master larger for good: two configurations are there at a time.
                    before = cpu.resident(nginx)
                for _ in range(4):
                    held.enter_context(Held(gateway.http_port, HOST))
                victims.reload(gateway, f"g{n}")
                most = max(most, int(gateway.status()["retiring"]))
        assert not load.failed
        assert 1 <= most <= 5, most
        waiting.until(lambda: gateway.status()["retiring"] == 0, 10, why="old generations gone")
        assert sorted(cpu.children(nginx)) == sorted(gateway.workers)
        # Workers begin as copies of the master: what it does not gather, they do not have.
        assert cpu.resident(nginx) <= 1.1 * before


def test_whoever_waits_for_readiness_meets_every_route(objects: list[Manifest]) -> None:
    """From the first answer of ``/readyz`` on; before it says no, there is no answer at all or it is no."""
    services = Services(None, "ending")  # type: ignore[arg-type]
    many = [services.ingress(f"c{n}", rule(f"c{n}.example", path("/", "web"))) for n in range(100)]
    gateway = Gateway([*objects, *many], access_log=False)
    seen: list[int] = []
    done = threading.Event()

    def watch(port: int = gateway.status_port, seen: list[int] = seen, done: threading.Event = done) -> None:
        while not done.is_set():
            try:
                seen.append(http.get(port, "/readyz", timeout=5).status)
            except OSError:
                time.sleep(0.001)
            if seen and seen[-1] == 200:
                return

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        with gateway:
            watching.join(10)
            statuses = {gateway.get(f"c{n}.example").status for n in range(100)}
    finally:
        done.set()
        watching.join()
    assert statuses == {200}
    assert set(seen) <= {200, 503}
