"""`tidegate backends`: where requests are sent, as nginx has it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from tidegate.app import default_state_dir
from tidegate.cli import _dump, _output
from tidegate.cli._errors import FINE
from tidegate.cli._flags import OutputFlag, StateDir
from tidegate.cli._types import Output

_SHOWN = 8
"""Endpoints of one backend that a table names."""

Name = Annotated[str, Parameter(help="Only backends whose id (namespace/service/port) holds this text.")]


def backends(name: Name = "", /, *, state_dir: StateDir = None, output: OutputFlag = Output.TEXT) -> int:
    """Show the backends in force, with their endpoints. Works with a dead controller, too.

    Examples:
    tidegate backends

    tidegate backends default/shop --output json
    """
    entries = _dump.in_force((state_dir or default_state_dir()).absolute())
    rows = [row for row in _dump.backends(entries) if name in row.backend]
    if output is Output.JSON:
        _output.json({"backends": rows})
    else:
        columns = ("backend", "algorithm", "endpoints", "canary")
        _output.table("", columns, (_cells(row) for row in rows), "no backends in force")
    return FINE


def _cells(row: _dump.BackendRow) -> tuple[object, ...]:
    shown = row.endpoints[:_SHOWN]
    more = len(row.endpoints) - len(shown)
    text = " ".join(shown) + (f" and {more} more" if more else "")
    endpoints = Text(text) if shown else Text("none", style="red")
    canary = " ".join(f"{key}={value}" for key, value in (row.canary or {}).items())
    if row.draining:
        endpoints.append(f", draining: {' '.join(row.draining[:_SHOWN])}", style="dim")
    detail = row.hash_by or row.cookie
    return (row.backend, f"{row.algorithm} ({detail})" if detail else row.algorithm, endpoints, canary)
