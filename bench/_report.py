"""Rows of the table of figures: what was measured, what it should be, what it is."""

from __future__ import annotations

import json
import os
import platform
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

import tidegate
from tidegate.dataplane import install

RESULTS = Path(__file__).resolve().parent / "results"

TIMES = "×"  # noqa: RUF001 - the sign is meant
"""Unit of ratios."""

Told = Callable[[str], None]
"""Takes a line about progress."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    measure: str
    target: str
    """``stated`` if there is no target."""
    value: float | str
    unit: str
    holds: bool | None
    """None if there is nothing to hold."""
    detail: str = ""
    """Spread, counts, what it was measured beside."""


def at_most(measure: str, value: float, limit: float, unit: str, detail: str = "") -> Row:
    """Give a row whose value should not pass a limit."""
    return Row(measure, f"≤ {_number(limit)} {unit}".strip(), _rounded(value), unit, value <= limit, detail)


def at_least(measure: str, value: float, limit: float, unit: str, detail: str = "") -> Row:
    """Give a row whose value should reach a limit."""
    return Row(measure, f"≥ {_number(limit)} {unit}".strip(), _rounded(value), unit, value >= limit, detail)


def exactly(measure: str, value: float, wanted: float, unit: str, detail: str = "") -> Row:
    """Give a row whose value should be one number."""
    return Row(measure, f"{wanted:g}", _rounded(value), unit, value == wanted, detail)


def stated(measure: str, value: float | str, unit: str, detail: str = "") -> Row:
    """Give a row that only tells."""
    return Row(measure, "stated", _rounded(value) if isinstance(value, float) else value, unit, None, detail)


def failed(measure: str, error: BaseException) -> Row:
    """Give a row for a measurement that did not come to an end."""
    return Row(
        measure, "measured", "failed", "", holds=False, detail=f"{type(error).__name__}: {error}"[:300]
    )


def each(parts: Mapping[str, Callable[[], Iterable[Row]]]) -> list[Row]:
    """Give the rows of several measurements; one that fails gives a row that says so, and hides no other."""
    made: list[Row] = []
    for name, measure in parts.items():
        try:
            made += measure()
        except Exception as e:  # noqa: BLE001 - whatever it was, it is told
            traceback.print_exc()
            made.append(failed(name, e))
    return made


def quantile(values: Sequence[float], share: float) -> float:
    """Give the smallest value that at least this share of all values does not pass."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]


def machine() -> dict[str, str]:
    """Tell what this was measured on, and with."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")),
        platform.machine(),
    )  # fmt: skip
    found = install.versions(install.find())
    return {
        "cpu": model,
        "cores": str(os.cpu_count() or 0),
        "kernel": platform.release(),
        "load": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "tidegate": tidegate.__version__,
        "nginx": found.packages.get("nginx", found.nginx),
        "lua": f"{found.lua_module} ({found.luajit})",
        "openssl": found.openssl,
    }


def write(folder: Path, name: str, told: dict[str, str], rows: Sequence[Row]) -> None:
    """Write one group's rows to ``NAME.json`` in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": told, "rows": [asdict(r) for r in rows]}, indent=1, ensure_ascii=False)
    (folder / f"{name}.json").write_text(text + "\n")


def show(told: dict[str, str], groups: dict[str, Sequence[Row]]) -> None:
    """Print one table of all groups, with the machine above it."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(
        "{cpu}, {cores} cores, Linux {kernel}, load {load} · tidegate {tidegate}, Python {python} · "
        "nginx {nginx}, Lua {lua}, OpenSSL {openssl}".format(**told),
        style="dim",
        highlight=False,
    )
    table = Table(show_lines=False)
    for column in ("measure", "target", "measured", "holds?", "detail"):
        table.add_column(column, justify="right" if column in {"target", "measured"} else "left")
    for name, rows in groups.items():
        table.add_section()
        table.add_row(f"[bold]{name}[/]")
        for r in rows:
            table.add_row(r.measure, r.target, _shown(r), _verdict(r.holds), r.detail)
    console.print(table)


def _verdict(holds: bool | None) -> str:  # noqa: FBT001 - it is the value, not an option
    if holds is None:
        return "[dim]stated[/]"
    return "[green]holds[/]" if holds else "[red]falls short[/]"


def _shown(row: Row) -> str:
    value = row.value if isinstance(row.value, str) else _number(row.value)
    return f"{value} {row.unit}".strip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:g}"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}") if abs(value) < 10_000 else round(value)
