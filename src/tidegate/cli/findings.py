"""`tidegate findings`: what a running gateway refused or ignored."""

from __future__ import annotations

import asyncio

import msgspec

from tidegate.app import NotRunning, ask, default_state_dir
from tidegate.cli import _findings, _output
from tidegate.cli._errors import FINE, FOUND, WorldFailed
from tidegate.cli._flags import OutputFlag, StateDir
from tidegate.cli._types import Output
from tidegate.findings import Finding


def findings(*, state_dir: StateDir = None, output: OutputFlag = Output.TEXT) -> int:
    """Show what a running gateway refused or ignored, and why. Ends with 1 if there is something.

    Example: tidegate findings --output json
    """
    try:
        reply = asyncio.run(ask((state_dir or default_state_dir()).absolute(), "findings"))
    except NotRunning as error:
        raise WorldFailed(str(error)) from error
    found = msgspec.convert(reply["findings"], list[Finding])
    if output is Output.JSON:
        _output.json({"findings": found})
    elif found:
        _findings.show(found)
        _output.console().print(_findings.counts(found))
    else:
        _output.console().print("nothing was refused or ignored")
    return FOUND if found else FINE
