"""`tidegate check`: a folder of manifests judged without a gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tidegate.cli import _findings, _output
from tidegate.cli._errors import FINE, FOUND, WrongUse
from tidegate.cli._flags import ConfigFile, ObjectFlags, OutputFlag
from tidegate.cli._settings import translation
from tidegate.cli._types import Output
from tidegate.findings import Effect

Folder = Annotated[Path, Parameter(help="The folder of manifests.")]
_OBJECTS = ObjectFlags()


def check(
    folder: Folder,
    /,
    *,
    objects: ObjectFlags = _OBJECTS,
    config: ConfigFile = None,
    output: OutputFlag = Output.TEXT,
) -> int:
    """Judge a folder of manifests as the gateway would, without one.

    Every object or value that would be refused or ignored is named with its file and line, its field, its value, and
    what would be accepted. Ends with 1 if there is something.

    Examples:
    tidegate check ./manifests

    tidegate check ./manifests --output json
    """
    from tidegate.app import _offline

    del config  # read before the command is called
    try:
        reading = asyncio.run(_offline.read(folder.absolute(), translation(objects)))
    except NotADirectoryError:
        raise WrongUse(f'"{folder}" is not accepted; check wants a folder that exists') from None
    found = reading.findings
    if output is Output.JSON:
        _output.json({"findings": found, "objects": reading.objects, "ignored_kinds": reading.ignored_kinds})
    else:
        _findings.show(found)
        ignored = ", ".join(f"{count} {kind}" for kind, count in sorted(reading.ignored_kinds.items()))
        _output.console().print(
            f"{reading.objects} objects read"
            + (f"; not for the gateway: {ignored}" if ignored else "")
            + (f"; {_findings.counts(found)}" if found else "; nothing is wrong")
        )
    return FOUND if any(finding.effect is not Effect.WARNING for finding in found) else FINE
