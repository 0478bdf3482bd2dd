"""`tidegate routes`: what leads where, as nginx has it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from tidegate.app import default_state_dir
from tidegate.cli import _dump, _output
from tidegate.cli._errors import FINE
from tidegate.cli._flags import OutputFlag, StateDir
from tidegate.cli._types import Output

Host = Annotated[str, Parameter(help="Only hosts whose name holds this text.")]


def routes(host: Host = "", /, *, state_dir: StateDir = None, output: OutputFlag = Output.TEXT) -> int:
    """Show the routes in force: host, path, Ingress, backend. Works with a dead controller, too.

    Examples:
    tidegate routes

    tidegate routes shop.example --output json
    """
    entries = _dump.in_force((state_dir or default_state_dir()).absolute())
    rows = [row for row in _dump.routes(entries) if host in row.host]
    if output is Output.JSON:
        _output.json({"routes": rows})
    else:
        columns = ("host", "kind", "path", "Ingress", "service", "endpoints", "more")
        _output.table("", columns, (_cells(row) for row in rows), "no routes in force")
    return FINE


def _cells(row: _dump.RouteRow) -> tuple[object, ...]:
    endpoints = Text(str(row.endpoints), style="" if row.endpoints else "red")
    return (row.host, row.kind, row.path, row.ingress, row.service, endpoints, _more(row))


def _more(row: _dump.RouteRow) -> Text:
    if row.denied:
        return Text(f"answers 503: {row.denied}", style="red")
    parts = [f"canary {row.canary}"] if row.canary else []
    parts += [f"{key}={value}" for key, value in row.settings.items()]
    return Text("  ".join(parts))
