"""The control socket of a running gateway, ``<state-dir>/control.sock``: questions about it, and its end.

Frames as on the keeper's socket. Only the owner of the state folder can open it, nothing secret is told, and what
traffic does is not changed over it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tidegate.dataplane.keeper import frames
from tidegate.dataplane.keeper.paths import short

NAME: Final = "control.sock"

Answer = Callable[[], Awaitable[Mapping[str, Any]]]


class NotRunning(Exception):
    """No gateway answers in a state folder."""


class Control:
    """Answers questions: one function for each."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        """Take the operations by name."""
        self._answers = answers
        self._server: asyncio.Server | None = None

    async def listen(self, state_dir: Path) -> None:
        """Open the socket; one that a dead gateway left behind is replaced. Raises ``OSError``."""
        path = state_dir / NAME
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with short(path) as name:
                self._server = await asyncio.start_unix_server(self._serve, name)
        finally:
            os.umask(before)

    async def close(self, state_dir: Path) -> None:
        """Close the socket."""
        if self._server is not None:
            self._server.close()
        (state_dir / NAME).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, frames.BadFrame):
            while True:
                header, _ = await frames.read(reader)
                await frames.write(writer, await self._reply(header))
        writer.close()

    async def _reply(self, header: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._answers.get(str(header.get("op")))
        if answer is None:
            known = ", ".join(sorted(self._answers))
            return {"ok": False, "error": "malformed", "message": f"op is one of: {known}"}
        return {"ok": True, **await answer()}


async def ask(state_dir: Path, op: str) -> dict[str, Any]:
    """Ask the gateway of a state folder. Raises `NotRunning`."""
    try:
        with short(state_dir / NAME) as name:
            reader, writer = await asyncio.open_unix_connection(name)
    except OSError as error:
        raise NotRunning(f"no gateway answers in {state_dir}") from error
    try:
        await frames.write(writer, {"op": op})
        reply, _ = await frames.read(reader)
    except (OSError, asyncio.IncompleteReadError, frames.BadFrame) as error:
        raise NotRunning(f"the gateway in {state_dir} ended before it answered") from error
    finally:
        writer.close()
    return reply
