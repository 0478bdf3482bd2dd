"""Tracing with OpenTelemetry (reference a.9, b.8)."""

from __future__ import annotations

import re
from typing import Final

from tidegate.guard import Unacceptable, addresses, names, values
from tidegate.guard.values import Type
from tidegate.translate.interpret.declarations import Annotation, Data, Invalid, Risk

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_WORDS: Final = "letters, digits, - and _"


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise Unacceptable(_WORDS)
    return text


def _ratio(text: str) -> float:
    accepted = "a number from 0 to 1"
    try:
        number = float(text)
    except ValueError:
        raise Unacceptable(accepted) from None
    if not 0 <= number <= 1:
        raise Unacceptable(accepted)
    return number


def _collector(text: str) -> str:
    accepted = "a host name or an IP address"
    for read in (addresses.address, names.dns_name):
        try:
            return read(text.strip("[]"))
        except Unacceptable:
            continue
    raise Unacceptable(accepted)


NAME: Final = Type("NAME", _WORDS, _name)
RATIO: Final = Type("RATIO", "a number from 0 to 1", _ratio)
COLLECTOR: Final = Type("HOST", "a host name or an IP address", _collector)
SAMPLER: Final = values.enum("AlwaysOn", "AlwaysOff", "TraceIdRatioBased")

ANNOTATIONS: Final = (
    Annotation(
        "enable-opentelemetry",
        values.BOOL,
        Data("opentelemetry"),
        "Traces requests, if the ConfigMap names a collector.",
        config_key="enable-opentelemetry",
    ),
    Annotation(
        "opentelemetry-trust-incoming-span",
        values.BOOL,
        Data("opentelemetry_trust"),
        "Goes on with the trace that a client's traceparent header names; else each request begins its own.",
        config_key="opentelemetry-trust-incoming-span",
    ),
    Annotation(
        "opentelemetry-operation-name",
        NAME,
        Data("opentelemetry_name"),
        "Name of the span of a request; without it method, namespace and Ingress.",
        risk=Risk.MEDIUM,
        invalid=Invalid.DROP,
        config_key="opentelemetry-operation-name",
    ),
)
