"""Starting with very much: from start to ready, beside the time of parsing alone, and the controller's memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench import _report
from bench._memory_of import MIB, rss
from bench._report import Row, Told
from harness import programs
from harness.bulk import Fleet
from harness.gateway import Gateway

ENDPOINTS = 10
"""Of each Service."""

SETTLE = 5.0
"""Seconds after which memory counts as steady."""


@dataclass(frozen=True, slots=True)
class Start:
    """What one start took."""

    ready: float
    """Seconds, as all times here."""
    parse: float
    steady: int
    """Bytes, as all sizes here."""
    peak: int
    helpers: int
    """Resident now in helper processes, if there are any."""


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Start on one object a file, then on all in one file."""
    count = 200 if quick else 10_000
    fleet = Fleet(count, endpoints=ENDPOINTS)
    layouts = {"one object a file": list(fleet.files()), "all in one file": [("all.yaml", fleet.one_file())]}
    made = []
    for layout, files in layouts.items():
        told(f"{count:,} Ingresses and Services, {count * ENDPOINTS:,} endpoints, {layout}")
        made += _rows(f"{count:,} Ingresses, {count * ENDPOINTS:,} endpoints, {layout}", _start(files))
    return made


def _start(files: Sequence[tuple[str, str]]) -> Start:
    gateway = Gateway(access_log=False, start_timeout=300)
    gateway.folder.write_many(files)
    parse = _parse_alone(gateway)
    start = time.monotonic()
    with gateway:
        ready = time.monotonic() - start
        time.sleep(SETTLE)
        assert gateway.process is not None
        steady, peak = rss(gateway.process.pid)
        helpers = sum(rss(pid)[0] for pid in gateway.controller if pid != gateway.process.pid)
    return Start(ready, parse, steady, peak, helpers)


def _parse_alone(gateway: Gateway) -> float:
    """Give the seconds that reading the folder takes, in a process of its own, with nothing done with the objects."""
    argv = [sys.executable, "-m", "bench._parse", str(gateway.folder.path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=programs.ROOT)
    return float(done.stdout)


def _rows(measure: str, start: Start) -> list[Row]:
    limit = start.parse * 1.3 + 3
    return [
        _report.at_most(
            f"{measure}: start → ready",
            start.ready,
            float(f"{limit:.1f}"),
            "s",
            f"parse alone {start.parse:.1f} s",
        ),
        _report.at_most(
            "controller's resident memory there, steady",
            start.steady / MIB,
            250,
            "MiB",
            f"helpers {start.helpers / MIB:.0f} MiB",
        ),
        _report.stated("controller's resident memory there, peak", start.peak / MIB, "MiB"),
    ]
