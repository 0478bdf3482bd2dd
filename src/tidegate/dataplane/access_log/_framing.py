r"""The pipe's bytes taken apart into lines.

Each line begins with a byte that says what it is, and ends with a newline. A buffer that found the pipe nearly full stands
in it in part: its last line then has no end, which shows at the first byte of what follows, and is left out.

    0x1E line of an HTTP request · 0x1D line of a TCP or UDP connection · 0x1C mark of a worker: "worker lines\n"
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

REQUEST = b"\x1e"
CONNECTION = b"\x1d"
MARK = b"\x1c"
_LINE = re.compile(rb"([\x1c-\x1e])([^\x1c-\x1e]*)")
_LONGEST = 4 * 1024 * 1024
"""Bytes without an end that are kept; no line of nginx is nearly as long."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How many lines of HTTP requests a worker has handed to nginx's log so far."""

    worker: str
    lines: int


@dataclass(slots=True)
class Piece:
    """What came at a time."""

    text: bytes = b""
    """Whole lines, one after the other, as nginx wrote them."""
    requests: int = 0
    connections: int = 0
    torn: int = 0
    """Lines that came in part, and are left out."""
    marks: list[Mark] = field(default_factory=list)

    @property
    def lines(self) -> int:
        """Lines in the text."""
        return self.requests + self.connections


class Framer:
    """Takes bytes as they come, gives whole lines."""

    def __init__(self) -> None:
        """Begin at the beginning of a line, or anywhere."""
        self._rest = b""

    def take(self, data: bytes) -> Piece:
        """Give the lines that end in `data`; what is not at its end yet is kept for the next time."""
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:] if len(data) - end <= _LONGEST else b""
        whole = data[:end]
        count = whole.count(REQUEST)
        is_plain = whole.startswith(REQUEST) and whole.count(b"\n\x1e") == count - 1 == whole.count(b"\n") - 1
        if is_plain and CONNECTION not in whole and MARK not in whole:
            return Piece(whole.replace(REQUEST, b""), requests=count)
        return _one_by_one(whole)


def _one_by_one(whole: bytes) -> Piece:
    piece = Piece()
    kept: list[bytes] = []
    for kind, line in _LINE.findall(whole):
        if not line.endswith(b"\n"):
            piece.torn += kind != MARK
        elif kind == MARK:
            piece.marks += _mark(line)
        else:
            kept.append(line)
            piece.requests += kind == REQUEST
            piece.connections += kind == CONNECTION
    piece.text = b"".join(kept)
    return piece


def _mark(line: bytes) -> list[Mark]:
    worker, _, lines = line.decode(errors="replace").strip().partition(" ")
    return [Mark(worker, int(lines))] if lines.isdecimal() else []
