"""Differences: which fields two versions of an object do not share, named as in its manifest."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, zip_longest
from typing import Final

import msgspec

from tidegate.kube.objects import Resource

LIMIT: Final = 5
"""Fields to name: enough to recognize a change, and cheap for one that touched everything."""

_NOISE: Final = frozenset({"resourceVersion", "generation", "uid"})


def differences(before: Resource, after: Resource) -> tuple[str, ...]:
    """Name at most ``LIMIT`` fields that differ: paths such as ``spec.rules[0].http.paths[2].path``. No values."""
    return tuple(islice(_walk("", before, after), LIMIT))


def shared_ends(before: tuple[object, ...], after: tuple[object, ...]) -> tuple[int, int]:
    """Count the equal items at the start and at the end of two sequences; no item counts twice."""
    shorter = min(len(before), len(after))
    start = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    room = shorter - start
    end = next((at for at in range(room) if before[-1 - at] != after[-1 - at]), room)
    return start, end


def _walk(path: str, before: object, after: object) -> Iterator[str]:
    # Structs and tuples are not compared as a whole first: each level would do it again.
    if isinstance(before, msgspec.Struct) and type(before) is type(after):
        yield from _walk_struct(path, before, after)
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            yield from _walk(f"{path}[{key}]", before.get(key), after.get(key))
    elif isinstance(before, tuple) and isinstance(after, tuple):
        yield from _walk_items(path, before, after)
    elif before != after:
        yield path


def _walk_struct(path: str, before: msgspec.Struct, after: object) -> Iterator[str]:
    cls = type(before)
    for name, written in zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True):
        if written not in _NOISE:
            inner = f"{path}.{written}" if path else written
            yield from _walk(inner, getattr(before, name), getattr(after, name))


def _walk_items(path: str, before: tuple[object, ...], after: tuple[object, ...]) -> Iterator[str]:
    start, end = shared_ends(before, after)
    missing = object()
    inner = zip_longest(before[start : len(before) - end], after[start : len(after) - end], fillvalue=missing)
    for at, (old, new) in enumerate(inner, start):
        yield from _walk(f"{path}[{at}]", old, new)
