"""Where a path leads over symbolic links: every name on the way whose change would make it lead elsewhere."""

# Paths are keys of large maps here: plain strings, which take a third of the room of Path.
# ruff: noqa: PTH112, PTH115, PTH118, PTH120

from __future__ import annotations

import os
from typing import Final, NamedTuple

_LINKS: Final = 40
"""The kernel's own limit on links in one path."""


class Hop(NamedTuple):
    """A name on the way, in the folder (free of links) that holds it."""

    folder: str
    name: str


def hops(path: str) -> list[Hop]:
    """Give the links on the way of an absolute path, and the last name: of its end, or the first that is missing.

    Folders above the path's first link that are no links themselves are taken as fixed.
    """
    found: list[Hop] = []
    here, todo = "/", _parts(path)
    links = 0
    while todo:
        name = todo.pop()
        if name == "..":
            here = os.path.dirname(here)
            continue
        at = os.path.join(here, name)
        target = _target(at)
        if target is not None and links < _LINKS:
            links += 1
            found.append(Hop(here, name))
            todo += _parts(target)
            here = "/" if target.startswith("/") else here
        elif not todo or not os.path.isdir(at):
            found.append(Hop(here, name))
            break
        else:
            here = at
    return found


def _parts(path: str) -> list[str]:
    """Give the names of a path, last first."""
    return [p for p in reversed(path.split("/")) if p not in {"", "."}]


def _target(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None
