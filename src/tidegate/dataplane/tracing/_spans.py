"""From what a worker tells of a request to spans as OTLP has them in JSON: one for the request, one for each try.

Pure; what cannot be understood gives no spans and is the caller's to count.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

_SERVER, _CLIENT = 2, 3
_ERROR: Final = 2
_SPLIT: Final = re.compile(r"[,:] ")
_SECOND: Final = 1_000_000_000

Span = dict[str, Any]


class Record(msgspec.Struct, frozen=True):
    """One request."""

    trace: str
    span: str
    start: float
    """Unix seconds, as ``tries`` has them."""
    took: float
    """Seconds."""
    status: int
    parent: str = ""
    name: str = ""
    method: str = ""
    scheme: str = ""
    protocol: str = ""
    host: str = ""
    uri: str = ""
    client: str = ""
    agent: str = ""
    id: str = ""
    namespace: str = ""
    ingress: str = ""
    service: str = ""
    bytes: int = 0
    tries: tuple[float, ...] = ()
    """When each began."""
    addresses: str = ""
    """This and the next two as nginx's variables list them, one for each try."""
    statuses: str = ""
    times: str = ""
    lost: int = 0
    """Requests of which nothing could be told so far."""


def decode(line: bytes) -> Record:
    """Read a line. Raises ``msgspec.MsgspecError``. Bytes that are no UTF-8 (clients send any) are replaced."""
    return msgspec.json.decode(line.decode(errors="replace"), type=Record)


def spans(record: Record) -> list[Span]:
    """Give all spans of a request."""
    return [_of_request(record), *_of_tries(record)]


def payload(service: str, made: Sequence[Span]) -> bytes:
    """Give the body of an export."""
    resource = {"attributes": _attributes({"service.name": service})}
    scope = {"scope": {"name": "tidegate"}, "spans": list(made)}
    return msgspec.json.encode({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]})


def _of_request(r: Record) -> Span:
    path, _, query = r.uri.partition("?")
    known = {
        "http.request.method": r.method,
        "url.scheme": r.scheme,
        "url.path": path,
        "url.query": query,
        "server.address": r.host,
        "client.address": r.client,
        "user_agent.original": r.agent,
        "network.protocol.version": r.protocol.partition("/")[2],
        "http.response.status_code": r.status,
        "http.response.size": r.bytes,
        "http.request.header.x-request-id": r.id,
        "k8s.namespace.name": r.namespace,
        "k8s.ingress.name": r.ingress,
        "k8s.service.name": r.service,
    }
    name = r.name or " ".join(filter(None, (r.method, f"{r.namespace}/{r.ingress}".strip("/"))))
    return _span(r, r.span, r.parent, name, _SERVER, (r.start, r.start + r.took), known, r.status)


def _of_tries(r: Record) -> Iterator[Span]:
    addresses, statuses, times = (_SPLIT.split(t) if t else [] for t in (r.addresses, r.statuses, r.times))
    for number, began in enumerate(r.tries):
        address, status, took = (
            values[number] if number < len(values) else "" for values in (addresses, statuses, times)
        )
        end = began + _number(took) if took else r.start + r.took
        host, _, port = address.rpartition(":")
        code = int(_number(status))
        known = {
            "http.request.method": r.method,
            "network.peer.address": host.strip("[]"),
            "network.peer.port": int(_number(port)),
            "http.response.status_code": code,
            "http.request.resend_count": number,
        }
        yield _span(
            r, secrets.token_hex(8), r.span, f"try {number + 1}", _CLIENT, (began, end), known, code or 502
        )


def _span(
    r: Record,
    own: str,
    parent: str,
    name: str,
    kind: int,
    times: tuple[float, float],
    known: dict[str, Any],
    status: int,
) -> Span:
    made: Span = {
        "traceId": r.trace,
        "spanId": own,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(round(times[0] * 1000) * (_SECOND // 1000)),
        "endTimeUnixNano": str(round(times[1] * 1000) * (_SECOND // 1000)),
        "attributes": _attributes(known),
    }
    if parent:
        made["parentSpanId"] = parent
    if status >= 500:
        made["status"] = {"code": _ERROR}
    return made


def _attributes(known: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in known.items()
        if value not in ("", 0)
    ]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
