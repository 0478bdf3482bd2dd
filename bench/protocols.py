"""What clients and backends speak, and how requests are spread: a table of which some parts are groups of their own.

One backend, one gateway and one bare nginx (the same binary, proxy headers and keepalive) serve the measurements in `PARTS`:
cost of HTTP/2 without TLS, and truth to its specification. To add one, write a function that takes a `World` and give it a
name there. What other groups measure for this table stands in `OTHERS`.

``BENCH_ONLY=h2c,stream`` measures only these parts.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench import (
    _report,
    _rounds,
    balancing,
    grpc_cost,
    grpc_streams,
    pools,
    request_path,
    stream,
    tls,
)
from bench._report import Row, Told
from harness import certs, cpu, gotools, h2load, h2spec, http2, manifests, nginx, waiting, wrk
from harness.gateway import Gateway

HOST = "tls.bulk.example"

_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class World:
    """What all measurements ask."""

    bare: nginx.Nginx
    bare_plain: int
    bare_tls: int
    gateway: Gateway
    backend: int
    """Port of a backend that answers anything with 1 KiB, on the core of the load."""
    quick: bool
    """Whether only to show that it runs."""
    told: Told


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Measure all parts, or those that ``BENCH_ONLY`` names; one that fails hides no other."""
    chosen = _chosen()
    own = [name for name in PARTS if name in chosen]
    made: list[Row] = []
    if own:
        made += _report.each({"HTTP/2": lambda: _own(own, quick, told)})
    others = {name: functools.partial(part, quick, told) for name, part in OTHERS.items() if name in chosen}
    return made + _report.each(others)


def _chosen() -> set[str]:
    """Give the names of the parts to measure. Raises ``ValueError`` for one that is none."""
    known = {*PARTS, *OTHERS}
    chosen = {name for word in os.environ.get("BENCH_ONLY", "").split(",") if (name := word.strip())}
    if unknown := chosen - known:
        raise ValueError(
            f"BENCH_ONLY: no such part: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}"
        )
    return chosen or known


def _own(names: list[str], quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - of one caller
    with _world(quick, told) as world:
        return _report.each({name: functools.partial(PARTS[name], world) for name in names})


@contextlib.contextmanager
def _world(quick: bool, told: Told) -> Iterator[World]:  # noqa: FBT001 - of one caller
    with contextlib.ExitStack() as stack:
        backend = waiting.free_ports(1)[0]
        stack.enter_context(nginx.fast_backend(backend, cores={_rounds.LOAD_CORE}))
        pair = certs.Authority().issue("*.bulk.example")
        server = request_path.bare_nginx(backend, pair)
        # h2load does not come back after the end of a connection, so neither side ends one.
        server.text = server.text.replace(
            "keepalive_requests 1000;", "keepalive_requests 1000000000; http2 on;"
        )
        told("starting a gateway and bare nginx")
        bare = stack.enter_context(server)
        gateway = stack.enter_context(_gateway(backend, pair))
        (plain, _), (tls, _) = bare.ports()
        yield World(bare, plain, tls, gateway, backend, quick, told)


@contextlib.contextmanager
def _gateway(backend: int, pair: certs.Pair) -> Iterator[Gateway]:
    config = {"worker-processes": "1", "ssl-redirect": "false", "keep-alive-requests": "1000000000"}
    objects = [
        manifests.config_map(config),
        manifests.service("web"),
        manifests.endpoint_slice("web", backend, ["127.0.0.1"]),
        manifests.tls_secret("tls", pair),
        # What is asked for a host of the tester's own choice is answered too.
        manifests.ingress("any", manifests.rule(None, manifests.path("/", "web"))),
        manifests.ingress("web", manifests.rule(HOST, manifests.path("/", "web")), tls=[([HOST], "tls")]),
    ]
    with Gateway(objects, access_log=False) as gateway:
        cpu.pin(gateway.processes(), {_rounds.LOAD_CORE})
        cpu.pin(gateway.workers, {_rounds.WORKER_CORE})
        yield gateway


# --- HTTP/2 without TLS ---------------------------------------------------------------------------------------------


def plain_http2(world: World) -> list[Row]:
    """CPU of a request by HTTP/2 with prior knowledge, over HTTP/1.1 keepalive to the backend."""
    asked = [("GET", "/", {"Host": HOST})]
    setups = []
    for name, port, workers in (
        ("bare", world.bare_plain, world.bare.workers),
        ("gateway", world.gateway.http_port, world.gateway.workers),
    ):
        with http2.Connection(port) as connection:
            answer = connection.ask("/", host=HOST)
        if answer.status != 200 or len(answer.body) != 1024:
            raise RuntimeError(f"{name} answers {answer.status}, {len(answer.body)} bytes")
        target = wrk.Target(f"http://127.0.0.1:{port}", asked)
        setups.append(_rounds.Setup(name, tuple(workers), target, h2load.run))
    rounds, seconds = (2, 1) if world.quick else (10, 3)
    base, mine = _rounds.measure(
        setups,
        rounds=rounds,
        seconds=seconds,
        connections=_CONNECTIONS,
        told=lambda text: world.told(f"h2c, {text}"),
    )
    ratio = mine.ratio(base, "total")
    user = mine.pooled("user") / base.pooled("user")
    errors = sum(r.errors for c in (base, mine) for r in c.rounds)
    requests = sum(r.requests for c in (base, mine) for r in c.rounds)
    detail = f"{mine.median('total'):.1f} ÷ {base.median('total'):.1f} µs; {ratio}"
    detail_user = f"{mine.pooled('user'):.2f} ÷ {base.pooled('user'):.2f} µs"
    foreign = max(r.foreign for c in (base, mine) for r in c.rounds)
    return [
        _report.at_most(
            "h2c: CPU per request ÷ bare nginx: total", ratio.median, 1.08, _report.TIMES, detail
        ),
        _report.stated("h2c: the same, user", user, _report.TIMES, detail_user),
        _report.exactly("h2c: errors", errors, 0, "", f"of {requests:,} requests"),
        _report.stated("h2c: worker's core used by anything else, at most", f"{foreign:.0%}", ""),
    ]


# --- h2spec ---------------------------------------------------------------------------------------------------------


def conformance(world: World) -> list[Row]:
    """Ask h2spec about both ports of both."""
    gotools.build(["h2spec"])
    made: list[Row] = []
    for name, bare, port, is_tls in (
        ("plain port", world.bare_plain, world.gateway.http_port, False),
        ("TLS", world.bare_tls, world.gateway.https_port, True),
    ):
        world.told(f"h2spec, {name}")
        base, mine = h2spec.run(bare, tls=is_tls), h2spec.run(port, tls=is_tls)
        worse = sorted(mine.failed - base.failed)
        listed = "; ".join(sorted(mine.failed)) or "none"
        cases = len(mine.passed | mine.failed | mine.skipped)
        made += [
            _report.exactly(
                f"h2spec, {name}: cases that bare nginx passes and the gateway does not",
                len(worse), 0, "", "; ".join(worse),
            ),
            _report.stated(
                f"h2spec, {name}: cases not passed, gateway; bare",
                f"{len(mine.failed)}; {len(base.failed)}", f"of {cases}", listed,
            ),
        ]  # fmt: skip
    return made


PARTS: dict[str, Callable[[World], list[Row]]] = {
    "h2c": plain_http2,
    "h2spec": conformance,
}
"""Measurements of this module, by name."""

Part = Callable[[bool, Told], list[Row]]


WHOLE: dict[str, Part] = {
    "grpc": grpc_cost.rows,
    "grpc-streams": grpc_streams.rows,
    "tls": tls.rows,
    "balancing": balancing.rows,
}
"""Groups that belong here with all that they measure."""

OTHERS: dict[str, Part] = {**WHOLE, "stream": stream.throughput, "pools": pools.hit_rate}
"""Measurements of other modules, by name."""
