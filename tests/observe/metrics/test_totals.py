"""Totals over workers and starts of the exporter, and their text, from memory as nginx's workers leave it."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.observe.metrics._parsing import parse, total
from tidegate.observe.metrics import _memory
from tidegate.observe.metrics._memory import Labels, Layout
from tidegate.observe.metrics._text import Format, Page
from tidegate.observe.metrics._totals import Totals

LAYOUT = Layout("compact", 48, 128, (0.05, 0.25, 1.0))
REQUESTS = "nginx_ingress_controller_requests"
PAGE = 4096
REGION = 2 * PAGE

_OPEN: list[Totals] = []


class Nginx:
    """The memory of an nginx whose master is this process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "nginx.pid").write_text(str(os.getpid()))
        self.folder = folder
        self.cells = os.memfd_create("tidegate-cells-0")
        self.labels = os.memfd_create("tidegate-labels-0")
        os.write(self.labels, msgspec.json.encode(LAYOUT) + b"\n")
        os.pwrite(self.cells, _memory._HEAD.pack(_memory._MAGIC, 48, 128, 8, 11, 12, *[0] * 998), 0)

    def name(self, number: int, **labels: str) -> None:
        os.write(self.labels, msgspec.json.encode(Labels(number, **labels)) + b"\n")

    def count(self, slot: int, number: int, requests: int) -> None:
        """Write what a worker has counted so far: answers of class 2xx within 0.05 s."""
        values = LAYOUT.values.pack(
            3.0 * requests, 0, 0, requests % 2**32, 0, 0, 0, requests % 2**32, 0, 0, 0
        )
        os.pwrite(self.cells, values, PAGE + slot * REGION + number * 48)

    def close(self) -> None:
        os.close(self.cells)
        os.close(self.labels)


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    made = Nginx(tmp_path / "nginx" / "1")
    yield made
    made.close()
    while _OPEN:
        _OPEN.pop().close()


def shown(totals: Totals, live: frozenset[str] | None = None) -> float:
    """Give the requests of the page, which must be good."""
    assert totals.layout is not None
    for series in totals.series.values():
        series.block = None
    page = Page(Format(totals.layout, {}))
    page.take(totals.series.values())
    page.live(live)
    text = gzip.decompress(b"".join(page.members())).decode()
    return total(parse(text), REQUESTS)


def make(root: Path) -> Totals:
    totals = Totals(root / "nginx", root / "metrics.json")
    _OPEN.append(totals)
    totals.update()
    return totals


def test_workers_add_up_and_counts_go_on_beyond_what_32_bits_hold(nginx: Nginx, tmp_path: Path) -> None:
    nginx.name(1, namespace="a", ingress="b")
    nginx.count(0, 1, 2**32 - 2)
    nginx.count(1, 1, 10)
    totals = make(tmp_path)
    assert shown(totals) == 2**32 + 8
    nginx.count(0, 1, 2**32 + 5)
    totals.update()
    assert shown(totals) == 2**32 + 15
    assert shown(make(tmp_path)) == 2**32 + 15


def test_what_ended_instances_counted_stays_over_a_start_of_the_exporter(
    nginx: Nginx, tmp_path: Path
) -> None:
    nginx.name(1, namespace="a", ingress="b")
    nginx.count(0, 1, 5)
    totals = make(tmp_path)
    (nginx.folder / "nginx.pid").unlink()
    nginx.folder.rmdir()
    totals.update()
    assert shown(totals) == 5
    assert shown(make(tmp_path)) == 5


def test_labels_are_escaped_and_series_of_absent_objects_left_out(nginx: Nginx, tmp_path: Path) -> None:
    nginx.name(1, namespace="a", ingress="b", path='/"\\\n{}=,%s')
    nginx.name(2, namespace="a", ingress="gone")
    nginx.count(0, 1, 5)
    nginx.count(0, 2, 7)
    totals = make(tmp_path)
    assert shown(totals) == 12
    assert shown(totals, frozenset({"a/b"})) == 5


def test_half_a_line_of_labels_waits_for_its_end(nginx: Nginx, tmp_path: Path) -> None:
    line = msgspec.json.encode(Labels(1, ingress="late")) + b"\n"
    os.write(nginx.labels, line[:9])
    totals = make(tmp_path)
    os.write(nginx.labels, line[9:])
    nginx.count(0, 1, 3)
    totals.update()
    assert shown(totals) == 3
