"""How else a path may be read than nginx reads it, by backends that decode less, or more, or resolve nothing.

The mirror of `readings.lua`. Text stands for bytes, one character for each.
"""

from __future__ import annotations

import re
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
    return _decoded(raw), _decoded_within(raw), _obliging(raw)


def _decoded(text: str) -> str:
    return _ENCODED.sub(lambda found: chr(int(found[1], 16)), text)


def _decoded_within(text: str) -> str:
    """Decode, but leave slashes and backslashes encoded: one segment remains one."""

    def one(found: re.Match[str]) -> str:
        char = chr(int(found[1], 16))
        return found[0] if char in _SEPARATORS else char

    return _ENCODED.sub(one, text)


def _obliging(path: str) -> str:
    """Read a path as the most obliging backend does."""
    for _ in range(_DECODINGS):
        path = _decoded(path)
    path = _STRETCHED.sub(_shrunk, path).replace("\\", "/")
    return _resolved(re.sub(r";[^/]*", "", path))


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
