"""`python -m tidegate.dataplane.install [--upgrade | --present] [nginx] [tools]`: install, and say where."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tidegate.dataplane.install import InstallError, install, usable
from tidegate.dataplane.install.parts import PARTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Install the named parts, nginx if none is named; return the exit code."""
    parser = argparse.ArgumentParser(prog="tidegate.dataplane.install", description="Install the data plane.")
    parser.add_argument("parts", nargs="*", metavar="PART", default=["nginx"], help="nginx, tools, or both")
    parser.add_argument(
        "--upgrade", action="store_true", help="take the newest packages, even if it is installed"
    )
    parser.add_argument(
        "--present", action="store_true", help="only say, by the exit code, whether it is installed"
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)} (choose from {', '.join(PARTS)})")
    if options.present:
        return 0 if all(usable(PARTS[name]) for name in options.parts) else 1
    try:
        for name in options.parts:
            made = install(_say, part=PARTS[name], upgrade=options.upgrade)
            _say(f"{name}: {made.prefix}")
    except InstallError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"      {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
