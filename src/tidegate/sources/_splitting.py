"""A YAML file, cut into its documents before any is parsed.

A line that begins with ``---`` ends a document whatever stands before it (even inside a scalar, where it is an error),
so cutting needs no parser; kubectl cuts at the same place. It lets each document be compared, parsed and refused alone:
one that is not YAML does not take the others with it, and in a file of 30,000 only what changed is parsed again.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final

from tidegate.sources._faults import Unreadable

_MARKER: Final = b"---"
_AFTER_MARKER: Final = frozenset(b" \t\n")
_HEAD: Final = re.compile(rb"(?:(?:---)?[ \t]*(?:#[^\n]*)?\n)*")


def normalize(data: bytes) -> bytes:
    """Give the text as UTF-8 without byte order mark, lines ended by LF. Raises ``Unreadable`` for broken UTF-16."""
    if data.startswith(codecs.BOM_UTF8):
        data = data[3:]
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeError as e:
            raise Unreadable("NotText", 1, 1, f"this is not UTF-16: {e}", "UTF-8 text") from e
    return data.replace(b"\r\n", b"\n") if b"\r" in data else data


def split(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Give each document of a normalized text, with the line (1-based) on which its text starts."""
    if text.startswith(b"%") or b"\n%" in text:
        yield 1, text  # a directive belongs to the document after it; such files are rare and read as one
        return
    line, start = 1, 0
    while start < len(text):
        end = _next(text, start + 1)
        yield line, text[start:end]
        line += text.count(b"\n", start, end)
        start = end


def _next(text: bytes, start: int) -> int:
    """Give the offset of the next marker line, or the end."""
    while True:
        at = text.find(b"\n---", start - 1)
        if at < 0:
            return len(text)
        after = at + 1 + len(_MARKER)
        if after >= len(text) or text[after] in _AFTER_MARKER:
            return at + 1
        start = after


def head_lines(document: bytes) -> int:
    """Count the lines before the content: the marker, comments, blank lines."""
    match = _HEAD.match(document)
    return document.count(b"\n", 0, match.end()) if match else 0
