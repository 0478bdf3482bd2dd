"""Every field of an object in turn: absent, null, of another type, empty, huge."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Manifest = dict[str, Any]
Path = tuple[str | int, ...]

ABSENT = object()

VALUES: dict[str, Any] = {
    "absent": ABSENT,
    "null": None,
    "number": 17,
    "negative": -1,
    "true": True,
    "text": "text",
    "empty text": "",
    "list": ["text"],
    "empty list": [],
    "map": {"key": "value"},
    "empty map": {},
    "long text": "x" * 100_000,
}


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Give the path of every field of a value, its own parts included."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*at, key)
        yield from paths(part, (*at, key))


def mutated(manifest: Manifest) -> Iterator[tuple[str, Manifest]]:
    """Give every mutation with its name. What names the object stays, so that it stays the same object."""
    for path in paths(manifest):
        if path in {("metadata", "name"), ("metadata", "namespace"), ("kind",), ("metadata",)}:
            continue
        for name, value in VALUES.items():
            changed = copy.deepcopy(manifest)
            _put(changed, path, value)
            yield f"{manifest['kind']} {'.'.join(map(str, path))} {name}", changed


def _put(manifest: Manifest, path: Path, value: Any) -> None:
    target: Any = manifest
    for step in path[:-1]:
        target = target[step]
    if value is ABSENT:
        del target[path[-1]]
    else:
        target[path[-1]] = copy.deepcopy(value)
