"""Connections that are passed on as they are, beside bare nginx's stream module: by the byte and by the connection."""

from __future__ import annotations

import contextlib
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench import _pipes
from bench._report import TIMES, Row, Told, at_least, at_most, each, stated
from bench._rounds import LOAD_CORE, WORKER_CORE
from harness import cpu, nginx, waiting
from harness.dataplane import DataPlane
from tidegate.dataplane import install
from tidegate.model import Endpoint, StreamPort, Target

HOST = "passed.example"

_BARE = """
error_log stderr crit;
{modules}
events {{ worker_connections 16384; }}
stream {{
    tcp_nodelay on;
    upstream backend {{ zone backend 256k; server 127.0.0.1:{backend}; }}
    server {{ listen 127.0.0.1:{port}; proxy_pass backend; }}
}}
"""


@dataclass(frozen=True, slots=True)
class _Way:
    """A way from the client to the source."""

    port: int
    workers: list[int]


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - as every group
    """Give all rows of this group."""
    return each(
        {
            "bytes": lambda: throughput(quick, told),
            "connections": lambda: _connections(quick, told),
        }
    )


def throughput(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001
    """Measure only bytes."""
    size = (4 if quick else 512) * _pipes.CHUNK
    costs = _measure(size, 1, 2 if quick else 15, told, "bytes")
    through = _ratio(costs, "passthrough", lambda load: 1 / load.seconds)
    spent = _ratio(costs, "passthrough", lambda load: load.used)
    rate = size / statistics.median(load.seconds for load in costs["passthrough"]) / 1e9
    return [
        at_least("TLS passthrough: throughput ÷ bare nginx stream", through, 0.97, TIMES, f"{rate:.2f} GB/s"),
        at_most("TLS passthrough: CPU per byte ÷ bare nginx stream", spent, 1.03, TIMES, _foreign(costs)),
        stated(
            "TCP service: throughput ÷ bare nginx stream",
            _ratio(costs, "service", lambda load: 1 / load.seconds),
            TIMES,
        ),
    ]


def _connections(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001
    count = 50 if quick else 1000
    costs = _measure(1, count, 2 if quick else 15, told, "connections")
    micro = {
        name: statistics.median(load.used for load in loads) / count * 1e6 for name, loads in costs.items()
    }
    return [
        stated(
            "TCP service: CPU per connection ÷ bare nginx stream",
            _ratio(costs, "service", lambda load: load.used),
            TIMES,
            f"{micro['service']:.0f} µs, bare {micro['bare']:.0f} µs",
        ),
        stated(
            "TLS passthrough: CPU per connection ÷ bare nginx stream",
            _ratio(costs, "passthrough", lambda load: load.used),
            TIMES,
            f"{micro['passthrough']:.0f} µs: the server name is looked at twice",
        ),
    ]


def _measure(size: int, count: int, rounds: int, told: Told, what: str) -> Mapping[str, list[_pipes.Load]]:
    hello = _pipes.client_hello(HOST)
    before = os.sched_getaffinity(0)
    cpu.pin([os.getpid()], {LOAD_CORE})
    try:
        with contextlib.ExitStack() as stack:
            source = stack.enter_context(_pipes.Source(size))
            ways = _ways(stack, source.port)
            costs: dict[str, list[_pipes.Load]] = {name: [] for name in ways}
            for number in range(-1, rounds):
                told(f"{what}, round {max(number, 0) + 1} of {rounds}")
                for name in _turned(list(ways), number):
                    way = ways[name]
                    load = _pipes.load(way.port, way.workers, hello, connections=count, expected=size)
                    if number >= 0:
                        costs[name].append(load)
            return costs
    finally:
        cpu.pin([os.getpid()], before)


def _ways(stack: contextlib.ExitStack, backend: int) -> dict[str, _Way]:
    bare_port, service_port = waiting.free_ports(2)
    modules = "\n".join(line for line in install.find().module_lines() if "stream" in line)
    text = _BARE.format(modules=modules, backend=backend, port=bare_port)
    bare = stack.enter_context(nginx.Nginx(text, cores={WORKER_CORE}))
    target = Target("ns", "svc", "443", (Endpoint("127.0.0.1", backend),))
    plane = stack.enter_context(
        DataPlane(
            {f"p/tcp/{service_port}": target, f"p/sni/{HOST}": target},
            workers=1,
            access_log="off",
            stream_ports=(StreamPort("tcp", service_port),),
            passthrough=True,
            passthrough_hosts=(HOST,),
        )
    )
    cpu.pin(plane.workers, {WORKER_CORE})
    return {
        "bare": _Way(bare_port, bare.workers),
        "service": _Way(service_port, plane.workers),
        "passthrough": _Way(plane.https, plane.workers),
    }


def _turned(names: Sequence[str], number: int) -> Sequence[str]:
    at = number % len(names)
    return [*names[at:], *names[:at]]


def _ratio(costs: Mapping[str, list[_pipes.Load]], name: str, what: Callable[[_pipes.Load], float]) -> float:
    """Give the median over rounds of a set-up over bare nginx in the same round."""
    return statistics.median(
        what(mine) / what(bare) for mine, bare in zip(costs[name], costs["bare"], strict=True)
    )


def _foreign(costs: Mapping[str, list[_pipes.Load]]) -> str:
    share = statistics.median(load.foreign for loads in costs.values() for load in loads)
    return f"others used {share:.0%} of the core"
