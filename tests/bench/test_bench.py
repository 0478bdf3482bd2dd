"""The benchmarks run, and write what they say they write; what they measure here means nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import _report
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
