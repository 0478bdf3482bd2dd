"""The exporter of metrics, a process that the keeper starts, starts again when it dies, and takes along when it ends.

Nothing depends on it but the answer to ``/metrics``.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tidegate.dataplane.keeper import _log
from tidegate.dataplane.keeper._children import Child, Children
from tidegate.dataplane.keeper._engine import Engine

_FIRST_SECONDS = 0.3
"""After the begin of the keeper, when there are more urgent things to do."""

_PAUSE_SECONDS = 1.0
"""Between two looks whether it lives, and so between two starts."""

_COMMAND = ("nice", "-n", "5", sys.executable, "-m", "tidegate.observe.metrics", "--state-dir")


class Exporter:
    """The exporter's life."""

    def __init__(self, children: Children, engine: Engine, state_dir: Path) -> None:
        """Start nothing yet."""
        self._children, self._engine, self._state_dir = children, engine, state_dir
        self._child: Child | None = None
        self._pipe = -1
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """See to it that it runs while nginx's configuration wants it."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Let it end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._end()

    async def _run(self) -> None:
        await asyncio.sleep(_FIRST_SECONDS)
        while True:
            configuration = self._engine.configuration
            is_wanted = configuration is not None and configuration.has_metrics
            if self._child is not None and (not is_wanted or self._child.exited.done()):
                if is_wanted:
                    _log.warning("the exporter of metrics has ended", code=self._child.exited.result())
                self._end()
            if is_wanted and self._child is None:
                self._start()
            await asyncio.sleep(_PAUSE_SECONDS)

    def _start(self) -> None:
        # It ends when this end of the pipe is closed, by whatever way this process ends.
        reading, self._pipe = os.pipe()
        try:
            self._child = self._children.start(
                [*_COMMAND, str(self._state_dir)], stdin=reading, stdout=subprocess.DEVNULL, stderr=2
            )
        except OSError as e:
            _log.warning("the exporter of metrics does not start", reason=e)
            self._end()
        finally:
            os.close(reading)

    def _end(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
        self._pipe, self._child = -1, None
