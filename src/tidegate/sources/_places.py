"""The exact line of an object or field, found by reading its file again."""

from __future__ import annotations

from dataclasses import replace

from tidegate.sources import _limits, _opening, _splitting
from tidegate.sources._batches import Place
from tidegate.sources._faults import Unreadable
from tidegate.sources._positions import Path, line_of, path_of


def refine(place: Place, field: str = "") -> Place:
    """Give the place with the line of an item of a List, or of a field of the object.

    The place as it is if there is nothing to refine or the file is not what it was.
    """
    steps: Path = ("items", str(place.item)) if place.item >= 0 else ()
    steps = (*steps, *path_of(field))
    if not steps:
        return place
    found = _document(place)
    if found is None:
        return place
    start, text = found
    return replace(place, line=start + line_of(text, steps) - 1)


def _document(place: Place) -> tuple[int, bytes] | None:
    """Give the text around the place's line, and the line on which it starts."""
    try:
        data = _opening.load(place.file, _limits.FILE_BYTES)
        if not isinstance(data, bytes):
            return None
        text = _splitting.normalize(data)
    except (FileNotFoundError, Unreadable):
        return None
    if place.file.endswith(".json"):
        return 1, text
    chosen = None
    for start, chunk in _splitting.split(text):
        if start > place.line:
            break
        chosen = start, chunk
    return chosen
