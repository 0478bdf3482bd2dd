"""gRPC streams that are held open while routes and endpoints change: none may be cut, and nothing may reload."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import _fleet, _report
from bench._report import Row, Told
from harness import grpc_streams, manifests, waiting
from harness.gateway import Gateway

HOST = "streams.example"


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    streams: int
    edits: int
    seconds: float
    every: float
    """Seconds between two messages of a stream, about."""


FULL, QUICK = Size(1_000, 100, 60, 4), Size(100, 12, 4, 1)


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Hold streams to two endpoints, each of which goes and comes back meanwhile."""
    size = QUICK if quick else FULL
    # A worker holds 16,384 connections: two for each stream at most.
    with grpc_streams.server(2) as ports, _fleet.gateway(access_log=False) as gateway:
        edits = _Edits(gateway, ports)
        edits.stand()
        told(f"opening {size.streams:,} streams")
        begin = time.monotonic()
        held = asyncio.run(_hold(gateway, edits, size, told))
        took = time.monotonic() - begin
        reloads = gateway.reloads
    name = f"{size.streams:,} gRPC streams held {size.seconds:g} s through {size.edits} edits"
    cut = size.streams - held.whole
    detail = "; ".join(f"{count} {why}" for why, count in held.cut.most_common(3))
    return [
        _report.exactly(
            f"{name}: cut", cut, 0, "", detail or f"{held.messages:,} messages answered in {took:.0f} s"
        ),
        _report.exactly(f"{name}: edits in force", edits.done, size.edits, "", edits.told()),
        _report.exactly(f"{name}: reloads", reloads, 0, ""),
    ]


async def _hold(gateway: Gateway, edits: _Edits, size: Size, told: Told) -> grpc_streams.Held:
    until, loop = asyncio.Event(), asyncio.get_running_loop()

    def change() -> None:
        try:
            told(f"{size.streams:,} streams are open")
            edits.make(size, told)
        finally:
            loop.call_soon_threadsafe(until.set)

    return await grpc_streams.hold(
        gateway.http_port,
        HOST,
        count=size.streams,
        until=until,
        every=size.every,
        opened=threading.Thread(target=change).start,
    )


class _Edits:
    """Changes of the streams' host and of others, one after the other, each waited for."""

    def __init__(self, gateway: Gateway, ports: list[int]) -> None:
        self._gateway, self._ports = gateway, ports
        self._kinds: list[Callable[[int], None]] = [
            self._endpoints, self._timeouts, self._paths, self._other_endpoints, self._other_host,
        ]  # fmt: skip
        self.done = 0

    def told(self) -> str:
        return "endpoints, timeouts and paths of the streams' host; endpoints and hosts of others, in turn"

    def stand(self) -> None:
        """Write what is there at the beginning, and wait for it."""
        self._slice(self._ports)
        self._ingress(30, 0)
        self._other(0, 1)
        self._gateway.folder.write("services.yaml", manifests.service("calls"), manifests.service("other"))
        # The server takes nothing but calls.
        self._gateway.eventually(HOST, status=502, timeout=30)

    def make(self, size: Size, told: Told) -> None:
        """Make all edits, evenly over the time."""
        begin = time.monotonic()
        for number in range(size.edits):
            time.sleep(max(0.0, begin + (number + 0.5) * size.seconds / size.edits - time.monotonic()))
            before = self._gateway.status()["version"]
            self._kinds[number % len(self._kinds)](number // len(self._kinds))
            waiting.until(lambda old=before: self._gateway.status()["version"] > old, 20, 0.01)  # type: ignore[misc]
            self.done += 1
            told(f"{self.done} of {size.edits} edits")
        time.sleep(max(0.0, begin + size.seconds - time.monotonic()))

    def _endpoints(self, turn: int) -> None:
        """Take away the first endpoint, bring it back, take away the second, and so on."""
        both = self._ports
        self._slice([both[1:], both, both[:1], both][turn % 4])

    def _timeouts(self, turn: int) -> None:
        self._ingress(31 + turn, turn)

    def _paths(self, turn: int) -> None:
        self._ingress(31 + turn, turn + 1)

    def _other_endpoints(self, turn: int) -> None:
        self._other(turn, 2 + turn)

    def _other_host(self, turn: int) -> None:
        self._other(turn + 1, 2 + turn)

    def _slice(self, ports: list[int]) -> None:
        slices = [
            manifests.endpoint_slice("calls", port, ["127.0.0.1"], name=f"calls-{port}") for port in ports
        ]
        self._gateway.folder.write("slices.yaml", *slices)

    def _ingress(self, timeout: int, paths: int) -> None:
        extra = [manifests.path(f"/extra-{paths}", "other")] if paths else []
        notes = {"backend-protocol": "GRPC", "proxy-connect-timeout": timeout}
        made = manifests.rule(HOST, manifests.path("/", "calls"), *extra)
        self._gateway.folder.write("streams.yaml", manifests.ingress("streams", made, annotations=notes))

    def _other(self, host: int, endpoint: int) -> None:
        self._gateway.folder.write(
            "other.yaml",
            manifests.endpoint_slice("other", 80, [f"10.1.1.{endpoint}"]),
            manifests.ingress("other", manifests.rule(f"o{host}.example", manifests.path("/", "other"))),
        )
