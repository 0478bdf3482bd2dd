"""One of ten endpoints is dead, a black hole, or breaks connections: what clients notice, and how often it is tried."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator

from bench import _report
from bench._report import Row, Told
from harness import waiting
from harness.backends import Backends
from harness.dataplane import DataPlane, settings, simple
from harness.ledger import Call, Ledger, Outcomes

HOST = "health.example"
RATE, SECONDS = 300, 45
WORKERS = 4
GROWN = 20
"""Seconds after which the pauses between the gateway's own looks have grown to their full length."""

_LOST = b"\1\0\0\0\0\0\0\0"
"""SO_LINGER with no time: close sends a reset."""

_names = itertools.count()


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Measure each kind of trouble on a data plane with four workers."""
    seconds = 4 if quick else SECONDS
    kinds = {"dead": _dead, "black hole": _hole, "breaks connections": _breaking}
    return _report.each({kind: _bind(kind, made, seconds, told) for kind, made in kinds.items()})


Made = Callable[[], contextlib.AbstractContextManager[tuple[str, int]]]


def _bind(kind: str, made: Made, seconds: int, told: Told) -> Callable[[], list[Row]]:
    return lambda: _one_of_ten(kind, made, seconds, told)


def _one_of_ten(kind: str, made: Made, seconds: int, told: Told) -> list[Row]:
    told(f"one of ten endpoints: {kind}, {RATE} requests a second for {seconds} s")
    with Backends() as pool, made() as bad:
        good = pool.group(f"health-{next(_names)}", 9)
        endpoints = [bad, *((one.address, one.port) for one in good)]
        with DataPlane(simple(HOST, "web", endpoints), workers=WORKERS) as plane:
            plane.push({"g": settings(connect_timeout=1)})
            first, _ = _load(plane, 1)
            before = _tries(plane, bad)
            rest, grown = _load(plane, seconds, GROWN)
            tries, looks = _tries(plane, bad) - before, _looks(plane) - grown
    share = seconds / 10
    detail = f"{rest.sent:,} requests; in the first second {first.bad} of {first.sent} failed; slowest {rest.slowest:.2f} s"
    made_rows = [
        _report.exactly(
            f"one of 10 endpoints {kind}: failed GETs after the first second", rest.bad, 0, "requests", detail
        ),
        _report.at_most(
            f"one of 10 endpoints {kind}: its tries by requests", tries / share, 1, "per 10 s and node"
        ),
    ]
    if seconds > GROWN and kind != "breaks connections":
        per = looks / ((seconds - GROWN) / 10)
        name = f"one of 10 endpoints {kind}: connections of the gateway's own to it, after {GROWN} s"
        made_rows.append(
            _report.at_most(name, per, 1, "per 10 s and node", f"{looks} in {seconds - GROWN} s")
        )
    return made_rows


def _load(plane: DataPlane, seconds: float, until: float = 0) -> tuple[Outcomes, int]:
    """Send for so long; give what became of it, and how often the gateway had looked `until` seconds after the begin."""
    with Ledger(plane.http, [Call(HOST)], rate=RATE) as ledger:
        time.sleep(min(until, seconds))
        looks = _looks(plane)
        time.sleep(max(0.0, seconds - until))
    return ledger.outcomes, looks


def _looks(plane: DataPlane) -> int:
    counts = plane.ask("GET", "/health")[1]["counts"]
    return int(counts.get("looks_failed", 0))


def _tries(plane: DataPlane, endpoint: tuple[str, int]) -> int:
    """Count requests that failed there, by what nginx said of each."""
    upstream = f'upstream: "http://{endpoint[0]}:{endpoint[1]}/'
    return sum(upstream in line and "[error]" in line for line in plane.errors.splitlines())


@contextlib.contextmanager
def _dead() -> Iterator[tuple[str, int]]:
    yield "127.0.0.1", waiting.free_ports(1)[0]


@contextlib.contextmanager
def _hole() -> Iterator[tuple[str, int]]:
    """Fill the queue of a listener: the kernel answers no further connection."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.9", 0), backlog=0))
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()


@contextlib.contextmanager
def _breaking() -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client = listener.accept()[0]
                    client.recv(65536)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LOST)
                    client.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
