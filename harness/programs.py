"""Where the programs are that the harness runs: nginx, wrk, h2load, and ``tidegate`` itself."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tidegate.dataplane import install

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""


def nginx() -> list[str]:
    """Give the start of a command line that runs the installed nginx."""
    return install.find().nginx_argv()


def tool(name: str) -> list[str]:
    """Give the start of a command line for a tool that ``make setup`` installs (``wrk``, ``h2load``).

    Raises ``install.NotInstalled`` if there is none.
    """
    try:
        part = install.find_part(install.TOOLS)
    except install.NotInstalled:
        if found := shutil.which(name):
            return [found]
        raise
    return part.argv(install.TOOLS.commands[name])


def tidegate() -> list[str]:
    """Give the start of a command line that runs this checkout's ``tidegate`` with the Python at work now."""
    return [str(Path(sys.executable).parent / "tidegate")]
