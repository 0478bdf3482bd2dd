"""The command line: one module for each command, imported when it is used.

Output is for people unless ``--output json`` asks otherwise. Exit codes: 0 fine, 1 found something, 2 wrong use, 3 the
world failed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    if tokens[:1] == ["nginx"]:
        # Everything after the word is nginx's, -h and -v too.
        from tidegate.cli.nginx import nginx

        sys.exit(nginx(tokens[1:]))
    from tidegate.cli._app import run_command

    sys.exit(run_command(tokens))
