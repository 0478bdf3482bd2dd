"""The benchmarks run, and write what they say they write; what they measure here means nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import _report, protocols
from bench.__main__ import GROUPS
from harness import programs


def bench(*names: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *names],
        cwd=programs.ROOT,
        env={**os.environ, "BENCH_QUICK": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_group_prints_a_table_and_writes_its_rows(tmp_path: Path) -> None:
    """Machine and rows as JSON, each row with measure, target, value, unit and whether it holds."""
    done = bench("reloads", BENCH_RESULTS=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reloads for" in done.stdout
    written = json.loads((tmp_path / "reloads.json").read_text())
    assert written["machine"]["nginx"]
    assert {"measure", "target", "value", "unit", "holds"} <= written["rows"][0].keys()
    assert [row["holds"] for row in written["rows"]] == [True, True]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_grpc_streams_live_through_edits(tmp_path: Path) -> None:
    """A hundred of them, to endpoints that go and come back; and one part of the table can be had alone."""
    done = bench("protocols", BENCH_RESULTS=str(tmp_path), BENCH_ONLY="grpc-streams")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "protocols.json").read_text())["rows"]
    assert [(row["value"], row["holds"]) for row in rows] == [(0, True), (12, True), (0, True)]


def test_parts_of_the_table_of_protocols_are_groups_too() -> None:
    """So that each can be run alone, and runs once when all are."""
    assert {"grpc", "grpc-streams", "tls", "balancing"} <= protocols.WHOLE.keys() <= GROUPS.keys()
    assert not protocols.PARTS.keys() & protocols.OTHERS.keys()


def test_a_part_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With those that there are."""
    monkeypatch.setenv("BENCH_ONLY", "h2c, none")
    with pytest.raises(ValueError, match=r"none; there are .*h2spec"):
        protocols.rows(quick=True, told=print)


def test_a_name_that_is_none_is_wrong_use() -> None:
    """And the names that there are, are told."""
    done = bench("no-such-group")
    assert done.returncode == 2
    assert "request-path" in done.stderr


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.01, 1.0), (0.991, 100.0)]
)
def test_a_quantile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    """The smallest that at least this share does not pass."""
    values = [float(n) for n in range(100, 0, -1)]
    assert _report.quantile(values, share) == expected


@pytest.mark.parametrize(
    ("row", "target", "holds"),
    [
        (_report.at_most("m", 1.08, 1.08, "x"), "≤ 1.08 x", True),
        (_report.at_most("m", 1.0801, 1.08, "x"), "≤ 1.08 x", False),
        (_report.at_least("m", 999_999, 1_000_000, ""), "≥ 1,000,000", False),
        (_report.exactly("m", 1, 0, ""), "0", False),
        (_report.stated("m", 3.0, "KiB"), "stated", None),
        (_report.failed("m", ValueError("why")), "measured", False),
    ],
)
def test_a_row_holds_if_its_value_keeps_to_the_target(
    row: _report.Row, target: str, *, holds: bool | None
) -> None:
    """What could not be measured does not hold."""
    assert (row.target, row.holds) == (target, holds)
