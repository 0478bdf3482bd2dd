"""What tracing costs a request in CPU: where it is off, where a trace is passed on but not recorded, where it is recorded.

Gateways without a collector, with one that answers, and with one that never does stand side by side and are loaded in
interleaved rounds: what is measured is that nobody waits for the exporter.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from bench import _report, _rounds
from bench._report import Row, Told
from harness import cpu, http, manifests, nginx, waiting, wrk
from harness.collector import Collector
from harness.gateway import Gateway

FULL, QUICK = (8, 3), (1, 1)
"""Rounds, and the seconds of each."""

_UNRECORDED = f"00-{'1' * 32}-{'1' * 16}-00"


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Measure all side by side."""
    rounds, seconds = QUICK if quick else FULL
    with contextlib.ExitStack() as stack:
        backend = waiting.free_ports(1)[0]
        stack.enter_context(nginx.fast_backend(backend, cores={_rounds.LOAD_CORE}))
        good = stack.enter_context(Collector())
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        told("starting gateways without a collector, with one, and with one that never answers")
        without = stack.enter_context(_gateway(backend, 0))
        other = stack.enter_context(_gateway(backend, 0))
        traced = stack.enter_context(_gateway(backend, good.port))
        hung = stack.enter_context(_gateway(backend, silent.getsockname()[1]))
        setups = [
            _setup("without", without, "off.example"),
            _setup("control", other, "off.example"),
            _setup("off", traced, "off.example"),
            _setup("unrecorded", traced, "on.example", traceparent=_UNRECORDED),
            _setup("recorded", traced, "on.example"),
            _setup("hung", hung, "on.example"),
        ]
        costs = {c.name: c for c in _rounds.measure(setups, rounds=rounds, seconds=seconds, told=told)}
        lost = sum(int(g.metrics().get("tidegate_spans_lost_total", 0)) for g in (traced, hung))
    return _table(costs, lost)


@contextlib.contextmanager
def _gateway(backend: int, collector: int) -> Iterator[Gateway]:
    gateway = Gateway(access_log=False)
    keys = {"worker-processes": "1", "ssl-redirect": "false"}
    if collector:
        keys |= {"otlp-collector-host": "127.0.0.1", "otlp-collector-port": str(collector)}
    gateway.folder.write("global.yaml", manifests.config_map(keys))
    gateway.folder.write(
        "apps.yaml",
        manifests.service("web"),
        manifests.endpoint_slice("web", backend, ["127.0.0.1"]),
        manifests.ingress("off", manifests.rule("off.example", manifests.path("/", "web"))),
        manifests.ingress(
            "on",
            manifests.rule("on.example", manifests.path("/", "web")),
            annotations={"enable-opentelemetry": "true"},
        ),
    )
    with gateway:
        gateway.eventually("on.example", status=200)
        if collector:
            waiting.until((gateway.state_dir / "tracing.stats").exists, 20, why="the exporter")
        cpu.pin(gateway.processes(), {_rounds.LOAD_CORE})
        cpu.pin(gateway.workers, {_rounds.WORKER_CORE})
        yield gateway


def _setup(name: str, gateway: Gateway, host: str, **headers: str) -> _rounds.Setup:
    if http.get(gateway.http_port, host=host).status != 200:
        raise RuntimeError(f"{name}: {host} does not answer")
    target = wrk.Target(f"http://127.0.0.1:{gateway.http_port}", [("GET", "/", {"Host": host, **headers})])
    return _rounds.Setup(name, tuple(gateway.workers), target)


def _table(costs: dict[str, _rounds.Costs], lost: int) -> list[Row]:
    def ratio(what: str, base: str, kind: str) -> tuple[float, str]:
        found = costs[what].ratio(costs[base], kind)
        return found.median, f"{costs[what].median(kind):.1f} ÷ {costs[base].median(kind):.1f} µs; {found}"

    def at_most(measure: str, what: str, base: str, limit: float) -> Row:
        value, detail = ratio(what, base, "total")
        return _report.at_most(measure, value, limit, _report.TIMES, detail)

    def stated(measure: str, what: str, kind: str) -> Row:
        value, detail = ratio(what, "without", kind)
        return _report.stated(measure, value, _report.TIMES, detail)

    errors, requests = (
        sum(getattr(r, n) for c in costs.values() for r in c.rounds) for n in ("errors", "requests")
    )
    foreign = max(r.foreign for c in costs.values() for r in c.rounds)
    return [
        at_most(
            "a route that is not traced, beside a collector ÷ without one: total", "off", "without", 1.02
        ),
        at_most(
            "recorded, with a collector that never answers ÷ with one that does: total",
            "hung",
            "recorded",
            1.05,
        ),
        stated("what noise makes of it: two gateways without a collector: total", "control", "total"),
        stated("the same: user", "control", "user"),
        stated("not traced, beside a collector ÷ without one: user", "off", "user"),
        stated("traced and not recorded ÷ not traced: total", "unrecorded", "total"),
        stated("traced and not recorded ÷ not traced: user", "unrecorded", "user"),
        stated("recorded ÷ not traced: total", "recorded", "total"),
        stated("recorded ÷ not traced: user", "recorded", "user"),
        _report.exactly("errors in all of these", errors, 0, "", f"of {requests:,} requests"),
        _report.stated("recorded requests that nothing was told of", lost, "", "the pipe was full"),
        _report.stated("worker's core used by anything else, at most", f"{foreign:.0%}", ""),
    ]
