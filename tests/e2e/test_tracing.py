"""Tracing: what backends and a collector are told of a request, and that no collector holds a request up."""

from __future__ import annotations

import os
import re
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness import http, http2, manifests, waiting
from harness.backends import Backends
from harness.collector import Collector, attributes
from harness.gateway import Gateway

PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")
STEADY = {
    "enable-opentelemetry": "true",
    "otel-schedule-delay-millis": "50",
    "otel-service-name": "front",
    "otlp-collector-host": "127.0.0.1",
}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as started:
        yield started


@pytest.fixture(scope="module")
def web(pool: Backends) -> Any:
    return pool.one("traced")


@pytest.fixture(scope="module")
def gateway(collector: Collector, web: Any) -> Iterator[Gateway]:
    with Gateway() as started:
        configure(started, collector)
        kinds = {
            "plain": {},
            "off": {"enable-opentelemetry": "false"},
            "wary": {"opentelemetry-trust-incoming-span": "false"},
            "named": {"opentelemetry-operation-name": "shop_front"},
            "profiled": {"proxy-body-size": "8m", "rewrite-target": "/new"},
            "closed": {"allowlist-source-range": "192.0.2.1"},
        }
        gone = manifests.service("gone"), manifests.endpoint_slice("gone", 1, ["127.0.0.1"])
        started.folder.write(
            "apps.yaml",
            manifests.service("web"),
            manifests.endpoint_slice("web", web.port, [web.address]),
            *gone,
            manifests.ingress("gone", manifests.rule("gone.example", manifests.path("/", "gone"))),
            *(
                manifests.ingress(
                    k, manifests.rule(f"{k}.example", manifests.path("/", "web")), annotations=a
                )
                for k, a in kinds.items()
            ),
        )
        started.eventually("named.example", status=200)
        # The first collector costs a reload, whose old workers go on accepting for a moment.
        waiting.until(
            lambda: all(started.get("named.example").echo.get("traceparent") for _ in range(20)), 20
        )
        yield started


def configure(gateway: Gateway, collector: Collector, **more: str) -> None:
    keys = {
        **STEADY,
        "otlp-collector-port": str(collector.port),
        **{k.replace("_", "-"): v for k, v in more.items()},
    }
    gateway.folder.write("global.yaml", manifests.config_map(keys))
    settings = gateway.state_dir / "tracing.json"
    waiting.until(lambda: settings.exists() and str(collector.port) in settings.read_text(), 20)


def told(answer: Any) -> tuple[str, str, str]:
    """Trace, span and flags that the backend was told."""
    (header,) = answer.echo.get("traceparent")
    found = PARENT.fullmatch(header)
    assert found, header
    return found[1], found[2], found[3]


def traced(gateway: Gateway, host: str = "plain.example", **options: Any) -> tuple[str, str, str]:
    return told(gateway.get(host, **options))


def test_a_request_has_a_span_and_its_try_another(gateway: Gateway, collector: Collector, web: Any) -> None:
    """Both in the trace that the backend is told of; names, times and attributes say what happened."""
    trace, span, flags = told(
        gateway.get("plain.example", "/a/b?q=1&delay=0.2", headers=[("User-Agent", 'x\xff"y')])
    )
    request, attempt = collector.of(trace, 2)
    assert flags == "01"
    assert (request["spanId"], request["kind"], request["name"]) == (span, 2, "GET default/plain")
    assert "parentSpanId" not in request
    assert "status" not in request
    known = attributes(request)
    assert known["url.path"] == "/a/b"
    assert known["http.response.status_code"] == "200"
    assert known["k8s.ingress.name"] == "plain"
    assert known["k8s.service.name"] == "web"
    assert (attempt["parentSpanId"], attempt["kind"]) == (span, 3)
    assert attributes(attempt)["network.peer.port"] == str(web.port)
    spent = int(attempt["endTimeUnixNano"]) - int(attempt["startTimeUnixNano"])
    assert spent >= 190_000_000
    assert int(request["startTimeUnixNano"]) <= int(attempt["startTimeUnixNano"])
    assert abs(int(request["endTimeUnixNano"]) / 1e9 - time.time()) < 30
    assert collector.services == {"front"}


@pytest.mark.parametrize(("flag", "is_recorded"), [("01", True), ("00", False)])
def test_a_trace_that_a_client_names_goes_on(
    gateway: Gateway, collector: Collector, flag: str, *, is_recorded: bool
) -> None:
    """With its state, and recorded only if it is there."""
    trace, parent = secrets.token_hex(16), secrets.token_hex(8)
    answer = gateway.get(
        "plain.example", headers=[("traceparent", f"00-{trace}-{parent}-{flag}"), ("tracestate", "v=1")]
    )
    seen, span, flags = told(answer)
    assert (seen, flags) == (trace, flag)
    assert span != parent
    assert answer.echo.get("tracestate") == ["v=1"]
    if is_recorded:
        assert collector.of(trace, 2)[0]["parentSpanId"] == parent
    else:
        collector.of(traced(gateway)[0])
        assert not [s for s in collector.spans if s["traceId"] == trace]


@pytest.mark.parametrize(
    "header",
    [
        "00-" + "0" * 32 + "-1111111111111111-01",
        "00-11111111111111111111111111111111-0000000000000000-01",
        "ff-11111111111111111111111111111111-1111111111111111-01",
        "00-11111111111111111111111111111111-1111111111111111-01-more",
        "00-1111111111111111111111111111111-1111111111111111-01",
        "00-1111111111111111111111111111111A-1111111111111111-01",
        "nonsense",
    ],
)
def test_a_header_that_names_no_trace_is_as_none(gateway: Gateway, header: str) -> None:
    """A new trace begins, without the state of another."""
    answer = gateway.get("plain.example", headers=[("traceparent", header), ("tracestate", "v=1")])
    assert told(answer)[0] not in header
    assert answer.echo.get("tracestate") == []


def test_clients_that_are_not_trusted_name_no_trace(gateway: Gateway) -> None:
    """opentelemetry-trust-incoming-span false: each request begins its own."""
    trace = "1" * 32
    seen, _, flags = traced(gateway, "wary.example", headers=[("traceparent", f"00-{trace}-{'1' * 16}-00")])
    assert seen != trace
    assert flags == "01"


def test_a_route_that_is_not_traced_passes_headers_as_they_are(
    gateway: Gateway, collector: Collector
) -> None:
    """And has no spans."""
    header = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    assert gateway.get("off.example", headers=[("traceparent", header)]).echo.get("traceparent") == [header]
    assert gateway.get("off.example").echo.get("traceparent") == []
    collector.of(traced(gateway)[0], 2)
    assert not [s for s in collector.spans if s["traceId"] == header[3:35]]


def test_a_route_with_a_profile_is_traced_like_any(gateway: Gateway, collector: Collector) -> None:
    """The jump to its location keeps the trace; the path told is the client's."""
    answer = gateway.get("profiled.example", "/old")
    assert answer.echo.uri == "/new"
    request, attempt = collector.of(told(answer)[0], 2)
    assert attributes(request)["url.path"] == "/old"
    assert attempt["parentSpanId"] == request["spanId"]


def test_requests_over_http2_are_traced(gateway: Gateway, collector: Collector) -> None:
    """With the version of their protocol."""
    trace = secrets.token_hex(16)
    with http2.Connection(gateway.http_port) as connection:
        header = ("traceparent", f"00-{trace}-{'1' * 16}-01")
        assert connection.ask("/", host="plain.example", headers=[header]).status == 200
    assert attributes(collector.of(trace, 2)[0])["network.protocol.version"] == "2.0"


def test_an_operation_name_names_the_span(gateway: Gateway, collector: Collector) -> None:
    """In place of method and Ingress."""
    assert collector.of(traced(gateway, "named.example")[0])[0]["name"] == "shop_front"


@pytest.mark.parametrize(("host", "status", "tries"), [("gone.example", 502, 3), ("closed.example", 403, 0)])
def test_answers_of_the_gateway_itself_have_spans(
    gateway: Gateway, collector: Collector, host: str, status: int, tries: int
) -> None:
    """An error of the server is one of the span; what never reached a backend has no try."""
    trace = secrets.token_hex(16)
    answer = gateway.get(host, headers=[("traceparent", f"00-{trace}-{'1' * 16}-01")])
    assert answer.status == status
    request, *others = collector.of(trace, 1 + tries)
    assert attributes(request)["http.response.status_code"] == str(status)
    assert request.get("status", {}).get("code") == (2 if status >= 500 else None)
    assert len(others) == tries


def test_each_try_has_a_span(gateway: Gateway, collector: Collector, web: Any) -> None:
    """Of an endpoint that refuses and of the one that answers."""
    gateway.apply(
        manifests.service("half"),
        manifests.endpoint_slice("half", web.port, ["127.0.0.9", web.address]),
        manifests.ingress("half", manifests.rule("half.example", manifests.path("/", "half"))),
    )
    traces = [traced(gateway, "half.example")[0] for _ in range(4)]
    tries = [collector.of(t, 2)[1:] for t in traces]
    collector.of(traced(gateway)[0], 2)
    lengths = {len([s for s in collector.spans if s["traceId"] == t]) for t in traces}
    assert 3 in lengths, tries
    (trace,) = [t for t in traces if len(collector.of(t, 2)) == 3][:1]
    peers = {attributes(s)["network.peer.address"] for s in collector.of(trace, 3)[1:]}
    assert peers == {"127.0.0.9", web.address}


def test_the_sampler_is_data(gateway: Gateway, collector: Collector) -> None:
    """AlwaysOff and a ratio come into force without a reload; backends are told that nothing is recorded."""
    reloads = gateway.reloads
    configure(gateway, collector, otel_sampler="AlwaysOff")
    waiting.until(lambda: traced(gateway)[2] == "00", 10)
    configure(gateway, collector, otel_sampler="TraceIdRatioBased", otel_sampler_ratio="0.5")
    waiting.until(lambda: traced(gateway)[2] == "01", 10)
    flags = [traced(gateway)[2] for _ in range(200)]
    assert 50 < flags.count("01") < 150
    configure(gateway, collector)
    waiting.until(lambda: {traced(gateway)[2] for _ in range(10)} == {"01"}, 10)
    assert gateway.reloads == reloads


def exporter(gateway: Gateway) -> int:
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        words = process.read_bytes().split(b"\0")
        if b"tidegate.dataplane.tracing" in words and str(gateway.state_dir).encode() in words:
            return int(process.parent.name)
    raise AssertionError("no exporter")


def stats(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((gateway.state_dir / "tracing.stats").read_bytes())
    return found


def test_a_collector_that_hangs_costs_spans_and_no_time(gateway: Gateway, collector: Collector) -> None:
    """Beyond what may wait, spans are dropped and counted; requests are answered as before."""
    configure(gateway, collector, otel_max_queuesize="20")
    time.sleep(1.2)
    collector.delay = 2.0
    begin = time.monotonic()
    assert {gateway.get("plain.example").status for _ in range(100)} == {200}
    assert time.monotonic() - begin < 2 * collector.delay
    collector.delay = 0.0
    waiting.until(lambda: stats(gateway)["dropped"] > 0, 10)
    configure(gateway, collector)
    dropped = 'tidegate_spans_total{outcome="dropped"}'
    waiting.until(lambda: gateway.metrics()[dropped] > 0, 10)
    assert stats(gateway)["lost"] == 0


def test_an_exporter_that_is_frozen_costs_spans_and_no_time(gateway: Gateway, collector: Collector) -> None:
    """The pipe fills up; what does not fit is counted. Awake again, it exports what is new."""
    pid = exporter(gateway)
    os.kill(pid, signal.SIGSTOP)
    try:
        with http.Connection(gateway.http_port) as connection:
            answers = {connection.ask("/" + "x" * 1000, host="plain.example").status for _ in range(900)}
        assert answers == {200}
    finally:
        os.kill(pid, signal.SIGCONT)

    def is_exported() -> bool:
        trace = traced(gateway)[0]
        time.sleep(0.3)
        return any(s["traceId"] == trace for s in collector.spans)

    waiting.until(is_exported, 10)
    waiting.until(lambda: gateway.metrics()["tidegate_spans_lost_total"] > 0, 10)


def test_an_exporter_that_dies_is_started_again(gateway: Gateway, collector: Collector) -> None:
    """By the keeper; what was told meanwhile waits in the pipe."""
    first = exporter(gateway)
    os.kill(first, signal.SIGKILL)
    trace = traced(gateway)[0]
    assert collector.of(trace, 2, timeout=20)
    assert exporter(gateway) != first


def test_an_exporter_ends_with_its_keeper_and_the_next_keeper_has_another(
    gateway: Gateway, collector: Collector
) -> None:
    """Never do two read the pipe for long."""
    first, keeper = exporter(gateway), int(gateway.status()["keeper"])
    os.kill(keeper, signal.SIGKILL)
    waiting.until(lambda: not Path(f"/proc/{first}").exists(), 10)
    waiting.until(lambda: exporter(gateway) != first, 20)
    collector.of(traced(gateway)[0], 2)


def test_without_a_collector_there_is_no_tracing_and_no_exporter(gateway: Gateway) -> None:
    """Whatever else the ConfigMap says; headers of clients pass as they are."""
    pid = exporter(gateway)
    keys = {name: value for name, value in STEADY.items() if name != "otlp-collector-host"}
    gateway.folder.write("global.yaml", manifests.config_map(keys))
    waiting.until(lambda: not Path(f"/proc/{pid}").exists(), 20)
    waiting.until(
        lambda: not any(gateway.get("plain.example").echo.get("traceparent") for _ in range(20)), 20
    )
    waiting.until(lambda: "tidegate_spans_lost_total" not in gateway.metrics(), 10)
