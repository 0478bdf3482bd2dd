"""A folder read once, without watching: for offline checks and explanations."""

# Paths are keys of large maps here: plain strings, which take a third of the room of Path.
# ruff: noqa: PTH112

from __future__ import annotations

import os
from pathlib import Path

from tidegate.sources import _limits, _opening, _reading
from tidegate.sources._batches import Batch
from tidegate.sources._ledger import Ledger
from tidegate.sources._steps import finish
from tidegate.sources._tree import Blocked, Seen, Tree


def read_folder(folder: Path, *, file_bytes: int = _limits.FILE_BYTES) -> Batch:
    """Give the complete listing of a folder, equal to the first batch of a source. Raises ``NotADirectoryError``."""
    root = os.path.normpath(folder)
    if not os.path.isdir(root):
        raise NotADirectoryError(root)
    ledger = Ledger()
    for one in Tree(root, None).look(root):
        if isinstance(one, Blocked):
            ledger.fail(one.path, _opening.unreadable(one.path, one.error))
        elif isinstance(one, Seen):
            _take(ledger, one.path, file_bytes)
    return finish(ledger.take(initial=True))


def _take(ledger: Ledger, path: str, file_bytes: int) -> None:
    try:
        data = _opening.load(path, file_bytes)
    except FileNotFoundError:
        return
    if isinstance(data, bytes):
        documents = [d for d in _reading.read(path, data, ()) if isinstance(d, _reading.Document)]
        finish(ledger.put(path, documents))
    else:
        ledger.fail(path, data)
