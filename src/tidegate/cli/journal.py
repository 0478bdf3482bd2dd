"""`tidegate journal`: what changed when, by which object, and whether it is in force."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tidegate.app import default_state_dir
from tidegate.cli import _output
from tidegate.cli._errors import FINE, WorldFailed
from tidegate.cli._flags import OutputFlag, StateDir
from tidegate.cli._types import Count, Duration, Output

About = Annotated[str, Parameter(help="Only changes by objects, or of entries, whose name holds this text.")]
Since = Annotated[
    Duration, Parameter(help="Only changes of the last such time, as 15m; 0 is all that is kept.")
]
Limit = Annotated[Count, Parameter(help="At most so many, the last ones; 0 is all.")]

_MOST_NAMES = 4


class Row(msgspec.Struct, frozen=True):
    """One change."""

    version: int
    time: float
    """Unix seconds."""
    causes: list[str]
    """Objects, what became of them, and which of their fields."""
    entries: list[str]
    full: bool
    """Everything was written anew."""
    in_force: bool


class _Force(msgspec.Struct, frozen=True):
    version: int = 0
    workers: tuple[int, ...] = ()


def journal(
    about: About = "",
    /,
    *,
    since: Since = 0.0,
    limit: Limit = 50,
    state_dir: StateDir = None,
    output: OutputFlag = Output.TEXT,
) -> int:
    """Show what changed when, by which object, and what is in force where. Works with dead processes, too.

    Changes that a snapshot has swallowed are no longer told one by one.

    Examples:
    tidegate journal

    tidegate journal Ingress/shop --since 15m --output json
    """
    folder = (state_dir or default_state_dir()).absolute()
    force = asyncio.run(_force(folder))
    rows = _rows(folder, about, time.time() - since if since else 0.0, force.version)
    rows = rows[-limit:] if limit else rows
    if output is Output.JSON:
        _output.json({"version": force.version, "workers": force.workers, "changes": rows})
        return FINE
    columns = ("time", "version", "by", "entries", "in force")
    _output.table("", columns, map(_cells, rows), "no change is kept")
    workers = " ".join(map(str, force.workers))
    _output.show(
        f"in force: version {force.version}, workers {workers}" if workers else "nothing is in force"
    )
    return FINE


async def _force(folder: Path) -> _Force:
    from tidegate.dataplane import push

    client = push.KeeperClient(folder)
    try:
        status = await client.status()
    except push.KeeperError:
        return _Force()
    finally:
        await client.close()
    return _Force(status.version, tuple(status.workers) if status.master else ())


def _rows(folder: Path, about: str, since: float, version: int) -> list[Row]:
    from tidegate.dataplane.journal import history

    try:
        changes = list(history(folder, since=since))
    except OSError as error:
        raise WorldFailed(f"the journal cannot be read: {error}") from error
    made = (
        Row(
            change.version,
            change.time,
            [" ".join((c.object, c.action, *c.fields)) for c in change.causes],
            list(change.keys),
            change.full,
            change.version <= version,
        )
        for change in changes
    )
    return [row for row in made if any(about in name for name in (*row.causes, *row.entries))]


def _few(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    shown = ", ".join(itertools.islice(names, _MOST_NAMES))
    return f"{shown} and {more} more" if more > 0 else shown


def _cells(row: Row) -> tuple[object, ...]:
    # Entries of objects as they are stand beside what was made of them.
    entries = [name for name in row.entries if not name.startswith("o/")]
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.time)) + f"{row.time % 1:.3f}"[1:]
    what = "everything" if row.full else _few(entries)
    return when, row.version, _few(row.causes), what, "yes" if row.in_force else "no"
