"""What a gRPC call costs beside bare nginx's ``grpc_pass``: CPU at full load, and time at a modest one.

One real gRPC server (Go) answers both; it shares a core with the load, the worker under test has its own. h2load sends
the calls whose CPU is counted, ghz those that are timed. Headers, keepalive and binary are the same.
"""

from __future__ import annotations

import contextlib
import functools
import re
import socket
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import _report, _rounds, request_path
from bench._report import Row, Told
from harness import certs, cpu, ghz, gotools, grpc_backend, h2load, manifests, nginx, waiting, wrk
from harness.gateway import Gateway

HOST = "grpc.bulk.example"

_PATH = "/harness.Echo/Unary"
_CONNECTIONS = 8
_RATE = 400
"""Calls a second while they are timed."""


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Measure both on one gateway and one bare nginx."""
    gotools.build(["ghz", "grpcecho"])
    with _echo() as backend, _bare(backend) as bare, _gateway(backend) as gateway:
        ports = {"bare": bare.ports()[0][0], "gateway": gateway.http_port}
        for name, port in ports.items():
            _check(name, port)
        workers = {"bare": bare.workers, "gateway": gateway.workers}
        return _report.each(
            {
                "gRPC unary, CPU": lambda: _cpu(ports, workers, quick, told),
                "gRPC unary, p50": lambda: _time(ports, quick, told),
            }
        )


@contextlib.contextmanager
def _echo() -> Iterator[int]:
    """Start the server; give its port."""
    port = waiting.free_ports(1)[0]
    argv = ["taskset", "-c", str(_rounds.LOAD_CORE), *gotools.tool("grpcecho"), f"127.0.0.1:{port}"]
    with subprocess.Popen(argv) as process:
        try:
            waiting.until(lambda: _listens(port), 10, why="the gRPC server")
            yield port
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _bare(backend: int) -> nginx.Nginx:
    """Give bare nginx with the headers and the keepalive of ``bare.conf``, for gRPC."""
    server = request_path.bare_nginx(backend, certs.Authority().issue("*.bulk.example"))
    text = re.sub(
        r"proxy_(set_header (Upgrade|Connection)|redirect|buffering|http_version) .*;\n", "", server.text
    )
    text = re.sub(r"proxy_(set_header|\w+_timeout|next_upstream\w*) ", r"grpc_\1 ", text)
    text = text.replace("proxy_pass http://", "grpc_pass grpc://")
    server.text = text.replace("keepalive_requests 1000;", "keepalive_requests 1000000000; http2 on;")
    return server


@contextlib.contextmanager
def _gateway(backend: int) -> Iterator[Gateway]:
    config = {"worker-processes": "1", "keep-alive-requests": "1000000000"}
    objects = [
        manifests.config_map(config),
        manifests.service("calls"),
        manifests.endpoint_slice("calls", backend, ["127.0.0.1"]),
        manifests.ingress(
            "calls",
            manifests.rule(HOST, manifests.path("/", "calls")),
            annotations={"backend-protocol": "GRPC"},
        ),
    ]
    with Gateway(objects, access_log=False) as gateway:
        cpu.pin(gateway.processes(), {_rounds.LOAD_CORE})
        cpu.pin(gateway.workers, {_rounds.WORKER_CORE})
        yield gateway


def _check(name: str, port: int) -> None:
    """Make sure by a gRPC client that calls are answered."""
    with grpc_backend.Caller(port, HOST) as caller:
        answer = caller.unary("Unary")(ghz.MESSAGE, timeout=10)
    if answer != ghz.MESSAGE:
        raise RuntimeError(f"{name} answers {answer!r}")


def _cpu(ports: dict[str, int], workers: dict[str, list[int]], quick: bool, told: Told) -> list[Row]:  # noqa: FBT001
    asked = [("POST", _PATH, {"Host": HOST, "content-type": "application/grpc", "te": "trailers"})]
    rounds, seconds = (2, 1) if quick else (10, 3)
    with tempfile.TemporaryDirectory(prefix="tidegate-grpc-") as folder:
        body = Path(folder) / "message"
        body.write_bytes(b"\0" + len(ghz.MESSAGE).to_bytes(4, "big") + ghz.MESSAGE)
        load = functools.partial(h2load.run, body=body)
        setups = [
            _rounds.Setup(name, tuple(workers[name]), wrk.Target(f"http://127.0.0.1:{port}", asked), load)
            for name, port in ports.items()
        ]
        base, mine = _rounds.measure(
            setups,
            rounds=rounds,
            seconds=seconds,
            connections=_CONNECTIONS,
            told=lambda text: told(f"gRPC unary, {text}"),
        )
    return _cpu_rows(base, mine, rounds * seconds)


def _cpu_rows(base: _rounds.Costs, mine: _rounds.Costs, seconds: int) -> list[Row]:
    ratio = mine.ratio(base, "total")
    errors = sum(r.errors for c in (base, mine) for r in c.rounds)
    calls = [sum(r.requests for r in c.rounds) for c in (base, mine)]
    foreign = max(r.foreign for c in (base, mine) for r in c.rounds)
    return [
        _report.at_most(
            "gRPC unary: CPU per call ÷ bare nginx grpc_pass: total",
            ratio.median, 1.08, _report.TIMES,
            f"{mine.median('total'):.1f} ÷ {base.median('total'):.1f} µs; {ratio}; "
            f"{calls[1] / seconds:,.0f} and {calls[0] / seconds:,.0f} calls a second",
        ),
        _report.stated(
            "gRPC unary: the same, user",
            mine.pooled("user") / base.pooled("user"), _report.TIMES,
            f"{mine.pooled('user'):.2f} ÷ {base.pooled('user'):.2f} µs",
        ),
        _report.exactly("gRPC unary: errors", errors, 0, "", f"of {sum(calls):,} calls"),
        _report.stated("gRPC unary: worker's core used by anything else, at most", f"{foreign:.0%}", ""),
    ]  # fmt: skip


def _time(ports: dict[str, int], quick: bool, told: Told) -> list[Row]:  # noqa: FBT001
    """Time calls at both in turn; a first round warms up."""
    rounds, seconds = (2, 1) if quick else (10, 2)
    medians: dict[str, list[float]] = {name: [] for name in ports}
    bad = calls = 0
    for number in range(-1, rounds):
        told(f"gRPC unary, time, round {max(number, 0) + 1} of {rounds}")
        for name in sorted(ports, reverse=number % 2 == 1):
            made = ghz.run(ports[name], HOST, seconds=seconds, rate=_RATE, cores=[_rounds.LOAD_CORE])
            bad, calls = bad + made.bad, calls + len(made.seconds)
            if number >= 0:
                medians[name].append(statistics.median(made.seconds) * 1000)
    mine, base = (statistics.median(medians[name]) for name in ("gateway", "bare"))
    added = statistics.median(a - b for a, b in zip(medians["gateway"], medians["bare"], strict=True))
    detail = f"{mine:.3f} and {base:.3f} ms at {_RATE} calls a second"
    return [
        _report.at_most("gRPC unary: added p50", added, 0.1, "ms", detail),
        _report.exactly("gRPC unary: timed calls that failed", bad, 0, "", f"of {calls + bad:,}"),
    ]
