"""Tracing."""

from __future__ import annotations

from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Key
from tidegate.translate.interpret.families import tracing
from tidegate.translate.interpret.keys._making import POSITIVE, flag

KEYS: Final[tuple[Key, ...]] = (
    flag(
        "enable-opentelemetry",
        "Trace requests, if a collector is named.",
        default=False,
        data="opentelemetry",
    ),
    flag(
        "opentelemetry-trust-incoming-span",
        "Go on with traces that clients name.",
        default=True,
        data="opentelemetry_trust",
    ),
    Key(
        "opentelemetry-operation-name",
        tracing.NAME,
        "",
        "Name of spans of requests.",
        data="opentelemetry_name",
    ),
    Key(
        "otel-sampler",
        tracing.SAMPLER,
        "AlwaysOn",
        "Which traces that begin here are recorded.",
        data="otel_sampler",
    ),
    Key(
        "otel-sampler-ratio", tracing.RATIO, 0.01, "Share of them with TraceIdRatioBased.", data="otel_ratio"
    ),
    flag(
        "otel-sampler-parent-based",
        "Traces that began elsewhere are recorded if they are there.",
        default=True,
        data="otel_parent_based",
    ),
    Key("otel-service-name", tracing.NAME, None, "Name under which spans are shown.", node="otel_service"),
    Key(
        "otlp-collector-host",
        tracing.COLLECTOR,
        None,
        "Who gets the spans, by OTLP over HTTP.",
        node="otlp_host",
    ),
    Key(
        "otlp-collector-port",
        values.integer(1, 65535),
        None,
        "Its port; 4317, where collectors speak gRPC, is taken for 4318.",
        node="otlp_port",
    ),
    Key("otel-max-queuesize", POSITIVE, None, "Spans that may wait; more are dropped.", node="otel_queue"),
    Key("otel-schedule-delay-millis", POSITIVE, None, "Milliseconds between two exports.", node="otel_delay"),
    Key("otel-max-export-batch-size", POSITIVE, None, "Spans of an export.", node="otel_batch"),
)
