"""`tidegate info`: how a running gateway is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tidegate.app import NotRunning, ask, default_state_dir
from tidegate.cli import _output
from tidegate.cli._errors import FINE, WorldFailed
from tidegate.cli._flags import OutputFlag, StateDir
from tidegate.cli._types import Output


def info(*, state_dir: StateDir = None, output: OutputFlag = Output.TEXT) -> int:
    """Show how a running gateway is: what it serves, what waits, how fast changes are, and why nginx was reloaded.

    Example: tidegate info --output json
    """
    told = asyncio.run(_ask((state_dir or default_state_dir()).absolute()))
    if output is Output.JSON:
        _output.json(told)
    else:
        # What is the same for every gateway of this version is for programs.
        told["controller"].pop("node", None)
        told["data_plane"].pop("profiles", None)
        _output.table("", ("", ""), _rows(told), "")
    return FINE


async def _ask(state_dir: Path) -> dict[str, Any]:
    """Ask controller and keeper; one of them may be dead."""
    from tidegate.dataplane import push

    told: dict[str, Any] = {}
    try:
        told["controller"] = await ask(state_dir, "info")
    except NotRunning as error:
        told["controller"] = {"trouble": str(error)}
    client = push.KeeperClient(state_dir)
    try:
        told["data_plane"] = msgspec.to_builtins(await client.status())
    except push.KeeperError as error:
        if "trouble" in told["controller"]:
            raise WorldFailed(told["controller"]["trouble"]) from error
        told["data_plane"] = {"trouble": str(error)}
    finally:
        await client.close()
    return told


def _rows(told: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in told.items():
        name = f"{before}{key.replace('_', ' ')}"
        match value:
            case {} if value:
                yield from _rows(value, f"{name} · ")
            case [{}, *_]:
                for at, item in enumerate(value, start=1):
                    yield f"{name} {at}", "  ".join(f"{k} {v}" for k, v in item.items())
            case list() | tuple():
                yield name, " ".join(map(str, value))
            case _:
                yield name, "" if value is None else str(value)
