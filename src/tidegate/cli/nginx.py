"""`tidegate nginx`: the installed nginx, with flags of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tidegate.cli._errors import WORLD_FAILED


def nginx(arguments: Sequence[str]) -> int:  # noqa: RET503
    """Become the installed nginx; all arguments are its own. ``--install [--upgrade]`` installs it instead."""
    from tidegate.dataplane import install

    if arguments and arguments[0] == "--install":
        from tidegate.dataplane.install.__main__ import main

        return main([*arguments[1:], "nginx"])
    try:
        command = [*install.find().nginx_argv(), *arguments]
    except install.InstallError as error:
        sys.stderr.write(f"tidegate: {error}\n")
        return WORLD_FAILED
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606 (the installed nginx takes this process's place)
