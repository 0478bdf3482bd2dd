"""What changed, when and why: the journal read as a story, for commands and pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from tidegate.dataplane.journal import _records, _wire, files


class Reason(msgspec.Struct, frozen=True):
    """Which object led to a change, and which of its fields (see ``tidegate.model.Cause``)."""

    object: str
    fields: tuple[str, ...] = ()
    action: str = "changed"


class Change(msgspec.Struct, frozen=True):
    """One delta that was in force from its time on."""

    version: int
    time: float
    """Unix seconds."""
    causes: tuple[Reason, ...]
    keys: tuple[str, ...]
    """Keys of the entries that were set or removed."""
    full: bool
    """True if it held everything, so that entries not named ceased to be."""


_CAUSES = msgspec.json.Decoder(tuple[Reason, ...])


def history(state_dir: Path, *, since: float = 0.0, key: str = "") -> Iterator[Change]:
    """Give the changes that are still on disk, oldest first.

    `since` (Unix seconds) leaves out what is older; `key` leaves out changes that touch no key beginning with it, and
    the other keys of those that do. It reads beside the running keeper and never fails because a file is damaged or
    goes away meanwhile. Raises ``OSError`` if the folder may not be read.
    """
    folder = state_dir / "journal"
    start = key.encode()
    for number in files.segments(folder):
        path = files.segment(folder, number)
        try:
            if path.stat().st_mtime < since:
                continue
            data = _records.read(path)
        except FileNotFoundError:
            continue
        for kept in _records.walk(data):
            if kept.header.time >= since and (change := _change(kept, start)) is not None:
                yield change


def _change(kept: _records.Kept, start: bytes) -> Change | None:
    try:
        keys = tuple(r.key.decode() for r in _wire.records(kept.delta, kept.body) if r.key.startswith(start))
        causes = _CAUSES.decode(kept.header.causes)
    except (ValueError, msgspec.MsgspecError):
        return None
    if start and not keys:
        return None
    return Change(kept.header.version, kept.header.time, causes, keys, kept.header.base == 0)
