"""How else a path may be read than nginx reads it, by backends that decode less, or more, or resolve nothing.

The mirror of `readings.lua`. Text stands for bytes, one character for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_ENCODED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_SEPARATORS: Final = "/\\"
_STRETCHED: Final = re.compile(r"[\xc0\xc1][\x80-\xbf]|\xe0[\x80\x81][\x80-\xbf]")
"""Characters below 128 that are written in UTF-8 with more bytes than they need."""
_DOUBTFUL: Final = re.compile(r"[;\\\x80-\xff]")
_DECODINGS: Final = 3
"""Times that a backend may decode what is encoded again and again."""


def of(target: str, path: str) -> tuple[str, ...]:
    """Give the other readings of a request target's path; `path` is nginx's own."""
    raw = target.partition("?")[0]
    if raw == path and not _DOUBTFUL.search(path):
        return ()
    readings = [*_all(raw)]
    if "#" in raw:
        readings += _all(raw.partition("#")[0])
    return tuple(readings)


def _all(path: str) -> Iterator[str]:
    once = _decoded(path)
    yield once
    yield _decoded_within(path)
    yield _merged(once)
    yield _merged(_decoded(_resolved(path)))
    yield from _resolving(path)
    yield from _resolving(once)
    often = once
    for _ in range(_DECODINGS - 1):
        often = _decoded(often)
    if often != once:
        yield from _resolving(often)
    yield from _resolving(_decoded(_without_parameters(path)))


def _resolving(text: str) -> Iterator[str]:
    """Read it as backends do that resolve dot segments: with each of the other liberties, or without it."""
    for bare in (text, _without_parameters(text)):
        for short in (bare, _STRETCHED.sub(_shrunk, bare)):
            yield _resolved(short)
            yield _resolved(short.replace("\\", "/"))


def _merged(text: str) -> str:
    return re.sub("//+", "/", text)


def _without_parameters(text: str) -> str:
    return re.sub(r";[^/]*", "", text)


def _decoded(text: str) -> str:
    return _ENCODED.sub(lambda found: chr(int(found[1], 16)), text)


def _decoded_within(text: str) -> str:
    """Decode, but leave slashes and backslashes encoded: one segment remains one."""

    def one(found: re.Match[str]) -> str:
        char = chr(int(found[1], 16))
        return found[0] if char in _SEPARATORS else char

    return _ENCODED.sub(one, text)


def _shrunk(found: re.Match[str]) -> str:
    *_, first, second = (ord(char) for char in found[0])
    return chr((first & 0x3F) * 64 + second - 0x80)


def _resolved(path: str) -> str:
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    is_folder = bool(segments) and re.search(r"/\.?\.?$", path) is not None
    return "/" + "/".join(segments) + ("/" if is_folder else "")
