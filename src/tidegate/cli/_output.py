"""Printing: tables for people, JSON for programs."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table


@functools.cache
def console() -> Console:
    """Give the console of standard output."""
    from rich.console import Console

    # Not a terminal: no width to fit into, so nothing is cut.
    return Console(width=None if sys.stdout.isatty() else 240, highlight=False)


def json(value: object) -> None:
    """Print a value as JSON."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.write(text.decode() + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print rows under their columns, or what to say if there are none."""
    from rich.text import Text

    made = grid(columns, rows, title)
    show(made if made.row_count else Text(empty))


def grid(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> Table:
    """Lay rows out under their columns."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(*columns, title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    return made


def show(what: RenderableType) -> None:
    """Print something that rich can lay out."""
    console().print(what, soft_wrap=not console().is_terminal)
