"""Spans: made of what a worker tells of a request, whatever that holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.collector import attributes
from tidegate.dataplane import tracing
from tidegate.dataplane.tracing import _spans
from tidegate.dataplane.tracing._exporter import Exporter

TOLD: dict[str, Any] = {
    "trace": "1" * 32,
    "span": "2" * 16,
    "parent": "3" * 16,
    "start": 1000.25,
    "took": 0.5,
    "status": 200,
    "method": "GET",
    "uri": "/a?b",
    "namespace": "shop",
    "ingress": "web",
}


def spans(**told: Any) -> list[dict[str, Any]]:
    return _spans.spans(_spans.decode(json.dumps({**TOLD, **told}).encode()))


def test_times_are_exact_to_the_millisecond() -> None:
    """No rounding error of floating point is told as time."""
    (made,) = spans(start=1795552584.934, took=0.001)
    assert (made["startTimeUnixNano"], made["endTimeUnixNano"]) == (
        "1795552584934000000",
        "1795552584935000000",
    )


@pytest.mark.parametrize(
    ("listed", "statuses", "peers", "codes"),
    [
        ("10.0.0.1:80", "200", ["10.0.0.1"], ["200"]),
        ("10.0.0.1:80, 10.0.0.2:81", "502, 200", ["10.0.0.1", "10.0.0.2"], ["502", "200"]),
        ("10.0.0.1:80 : [fd00::2]:81", "504 : 200", ["10.0.0.1", "fd00::2"], ["504", "200"]),
        ("10.0.0.1:80, 10.0.0.2:81", "502, -", ["10.0.0.1", "10.0.0.2"], ["502", None]),
    ],
)
def test_tries_are_told_apart(listed: str, statuses: str, peers: list[str], codes: list[str | None]) -> None:
    """As nginx lists them: by commas, and by colons after an internal redirect."""
    _, *tries = spans(tries=[1000.3, 1000.4][: len(peers)], addresses=listed, statuses=statuses, times="0.1")
    assert [attributes(t)["network.peer.address"] for t in tries] == peers
    assert [attributes(t).get("http.response.status_code") for t in tries] == codes
    assert {t["parentSpanId"] for t in tries} == {TOLD["span"]}


@pytest.mark.parametrize(("status", "code"), [(200, None), (404, None), (500, 2), (503, 2)])
def test_an_error_of_the_server_is_one_of_the_span(status: int, code: int | None) -> None:
    """One of the client is not."""
    assert spans(status=status)[0].get("status", {}).get("code") == code


def test_bytes_that_are_no_text_are_replaced() -> None:
    """Clients send any; the export stays JSON."""
    line = json.dumps({**TOLD, "uri": "@"}).encode().replace(b"@", b"/\xff\xfe")
    body = _spans.payload("front", _spans.spans(_spans.decode(line)))
    json.loads(body)


def test_the_port_of_grpc_is_taken_for_that_of_http() -> None:
    """A ConfigMap made for ingress-nginx names 4317."""
    assert tracing.Settings("c", 4317).http_port == 4318
    assert tracing.Settings("c", 14317).http_port == 14317


def test_settings_come_and_go(tmp_path: Path) -> None:
    """With the pipe, which stays: nginx may hold it."""
    tracing.configure(tmp_path, tracing.Settings("c"))
    tracing.configure(tmp_path, tracing.Settings("d"))
    assert tracing.read(tmp_path) == tracing.Settings("d")
    assert (tmp_path / tracing.PIPE).is_fifo()
    tracing.configure(tmp_path, None)
    tracing.configure(tmp_path, None)
    assert tracing.read(tmp_path) is None
    assert (tmp_path / tracing.PIPE).is_fifo()


def test_the_queue_is_bounded_and_what_is_dropped_is_counted(tmp_path: Path) -> None:
    """Lines that are none are counted too; an unfinished one waits for its rest."""
    exporter = Exporter(tmp_path, tracing.Settings("c", queue=3))
    line = msgspec.json.encode(TOLD) + b"\n"
    assert exporter._take(line * 5 + b"nonsense\n" + b'{"trace"') == b'{"trace"'
    assert (exporter.stats.dropped, exporter.stats.unreadable) == (2, 1)
