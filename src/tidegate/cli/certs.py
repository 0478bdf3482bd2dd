"""`tidegate certs`: the certificates in force; their keys are never shown."""

from __future__ import annotations

import datetime
import time
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from tidegate.app import default_state_dir
from tidegate.cli import _dump, _output
from tidegate.cli._errors import FINE
from tidegate.cli._flags import OutputFlag, StateDir
from tidegate.cli._types import Output

_SOON = 30 * 86400
"""Seconds before the end of a certificate in which it is marked."""

Name = Annotated[str, Parameter(help="Only certificates whose id, names or hosts hold this text.")]


def certs(name: Name = "", /, *, state_dir: StateDir = None, output: OutputFlag = Output.TEXT) -> int:
    """Show the certificates in force, and which host uses which. Works with a dead controller, too.

    Examples:
    tidegate certs

    tidegate certs shop.example --output json
    """
    entries = _dump.in_force((state_dir or default_state_dir()).absolute())
    rows = [
        row
        for row in _dump.certificates(entries)
        if any(name in text for text in (row.certificate, *row.names, *row.hosts))
    ]
    if output is Output.JSON:
        _output.json({"certificates": rows})
    else:
        columns = ("certificate", "names", "valid until", "hosts", "SHA-256")
        _output.table("", columns, (_cells(row) for row in rows), "no certificates in force")
    return FINE


def _cells(row: _dump.CertificateRow) -> tuple[object, ...]:
    names, hosts = " ".join(row.names), " ".join(row.hosts)
    return (
        row.certificate,
        names,
        _end(row.not_after),
        hosts or Text("none", style="dim"),
        row.fingerprint[:16],
    )


def _end(seconds: int) -> Text:
    if not seconds:
        return Text("")
    day = datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()
    left = seconds - time.time()
    return Text(day, style="red" if left < 0 else "yellow" if left < _SOON else "")
