"""The exporter of traces: runs while there is a file that says where they go; started again, not at once, if it dies."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from tidegate.dataplane.keeper import _log
from tidegate.dataplane.keeper._children import Child, Children
from tidegate.dataplane.keeper.paths import StateDir
from tidegate.dataplane.tracing import SETTINGS

_PAUSE: Final = 5
"""Ticks between its end and its next start."""


class Tracing:
    """Its process, looked after at each tick of the keeper."""

    def __init__(self, state: StateDir, children: Children) -> None:
        """Take where its settings stand; nothing is started yet."""
        self._state = state
        self._children = children
        self._child: Child | None = None
        self._wait = 0

    def tick(self) -> None:
        """Start it if it is wanted and does not run. It ends by itself. Raises ``OSError``."""
        if self._child is not None and not self._child.exited.done():
            return
        if self._child is not None:
            self._child, self._wait = None, _PAUSE
        self._wait = max(self._wait - 1, 0)
        if self._wait or not (self._state.root / SETTINGS).exists():
            return
        argv = [sys.executable, "-m", "tidegate.dataplane.tracing", str(self._state.root)]
        with self._state.log.open("ab") as log:
            self._child = self._children.start(argv, stdout=subprocess.DEVNULL, stderr=log)
        _log.info("the exporter of traces begins", pid=self._child.pid)
