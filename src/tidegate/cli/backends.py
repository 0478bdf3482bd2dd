"""`tidegate backends`: where requests are sent, as nginx has it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.text import Text

from tidegate.app import default_state_dir
from tidegate.cli import _dump, _health, _output
from tidegate.cli._errors import FINE
from tidegate.cli._flags import OutputFlag, StateDir
from tidegate.cli._types import Output

_SHOWN = 8
"""Endpoints of one backend that a table names."""

Name = Annotated[str, Parameter(help="Only backends whose id (namespace/service/port) holds this text.")]


def backends(name: Name = "", /, *, state_dir: StateDir = None, output: OutputFlag = Output.TEXT) -> int:
    """Show the backends in force, with their endpoints and what is known against them. Works with a dead controller, too.

    Examples:
    tidegate backends

    tidegate backends default/shop --output json
    """
    folder = (state_dir or default_state_dir()).absolute()
    entries, known = _dump.in_force(folder), _health.known(folder)
    rows = [row for row in _dump.backends(entries) if name in row.backend]
    if output is Output.JSON:
        told = [
            msgspec.to_builtins(row)
            | {"health": msgspec.to_builtins(known.get(row.backend, _health.UNKNOWN))}
            for row in rows
        ]
        _output.json({"backends": told})
    else:
        columns = ("backend", "algorithm", "endpoints", "health", "canary")
        _output.table(
            "", columns, (_cells(row, known.get(row.backend)) for row in rows), "no backends in force"
        )
    return FINE


def _words(found: _health.BackendHealth | None, checks: str) -> Text:
    if found is None or not found.endpoints:
        return Text(checks, style="dim")
    text = Text("in panic: all that can be reached are used\n" if found.panic else "", style="red")
    bad = sorted(found.endpoints.items(), key=lambda item: (not item[1].passed_over, item[0]))
    for name, state in bad[:_SHOWN]:
        text.append(f"{name} {_health.why(state)}\n", style="red" if state.passed_over else "yellow")
    if len(bad) > _SHOWN:
        text.append(f"and {len(bad) - _SHOWN} more\n")
    return text.append(checks, style="dim")


def _cells(row: _dump.BackendRow, found: _health.BackendHealth | None) -> tuple[object, ...]:
    shown = row.endpoints[:_SHOWN]
    more = len(row.endpoints) - len(shown)
    text = " ".join(shown) + (f" and {more} more" if more else "")
    endpoints = Text(text) if shown else Text("none", style="red")
    canary = " ".join(f"{key}={value}" for key, value in (row.canary or {}).items())
    if row.draining:
        endpoints.append(f", draining: {' '.join(row.draining[:_SHOWN])}", style="dim")
    detail = row.hash_by or row.cookie
    algorithm = f"{row.algorithm} ({detail})" if detail else row.algorithm
    return (row.backend, algorithm, endpoints, _words(found, row.check), canary)
