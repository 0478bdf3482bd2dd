"""``tidegate demo``: shows a gateway at work. It runs from a checkout, whose examples and backends it uses."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

_CHECKOUT = Path(__file__).resolve().parents[3]


def demo(*, keep: Annotated[bool, Parameter(env_var="KEEP", negative="")] = False) -> int:
    """Start backends and a gateway on a copy of examples/, and change it under load.

    Ends by itself in less than a minute, with exit code 0 if no request was lost and 1 if one was.

    Parameters
    ----------
    keep
        Stay up afterwards, until interrupted, and print what to try.
    """
    if not (_CHECKOUT / "harness" / "demo").is_dir():
        sys.stderr.write("tidegate demo runs from a checkout of the repository: `make demo`.\n")
        return 2
    # The harness is no part of the installed package; in a checkout it stands beside it.
    sys.path.insert(0, str(_CHECKOUT))
    return int(importlib.import_module("harness.demo").main(keep=keep))
