"""The request target as nginx reads it: percent-decoding, merged slashes, dot segments.

The mirror of nginx's own reading (`ngx_http_parse_complex_uri` with `merge_slashes on`), state by state: the
path that rules are compared with is nginx's `$uri`. Text stands for bytes, one character for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

_HEX = "0123456789abcdef"


class BadUri(ValueError):
    """nginx answers 400 to a target like this."""


@dataclass(frozen=True, slots=True)
class Uri:
    """A request target in its two parts."""

    path: str
    """nginx's `$uri`."""
    query: str
    """What stands after the question mark, as sent."""


class _State(Enum):
    USUAL = auto()
    SLASH = auto()
    DOT = auto()
    DOT_DOT = auto()


def normalize(target: str) -> Uri:
    """Read a request target as nginx does. Raises `BadUri`."""
    if not target.startswith("/"):
        raise BadUri("a target must start with a slash")
    if bad := next((c for c in target if c <= " " or c == "\x7f"), None):
        raise BadUri(f"the byte {ord(bad):#04x} must be written as %{ord(bad):02X}")
    return _Reader(target).read()


class _Reader:
    """One pass over a target; `out` is what `$uri` will be."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._at = 0
        self._out: list[str] = []
        self._state = _State.USUAL

    def read(self) -> Uri:
        while self._at < len(self._target):
            char, literal = self._next()
            if not literal and char in "?#":
                return self._end(char)
            self._take(char, literal=literal)
        return self._end("")

    def _next(self) -> tuple[str, bool]:
        """Give one decoded character, and whether it stands for itself whatever it is."""
        char = self._target[self._at]
        self._at += 1
        if char != "%":
            return char, False
        digits = self._target[self._at : self._at + 2].lower()
        if len(digits) < 2 or any(d not in _HEX for d in digits):
            raise BadUri(f"%{digits} is not a percent sign with two hexadecimal digits")
        self._at += 2
        char = chr(int(digits, 16))
        if char == "\0":
            raise BadUri("%00 is refused")
        # An encoded slash or dot counts as one that was written plainly.
        return char, char in "%#?"

    def _take(self, char: str, *, literal: bool) -> None:
        if literal:
            self._put(char, _State.USUAL)
        elif char == "/":
            self._slash()
        elif char == "." and self._state is _State.SLASH:
            self._put(char, _State.DOT)
        elif char == "." and self._state is _State.DOT:
            self._put(char, _State.DOT_DOT)
        else:
            self._put(char, _State.USUAL)

    def _put(self, char: str, state: _State) -> None:
        self._out.append(char)
        self._state = state

    def _slash(self) -> None:
        if self._state is _State.USUAL:
            self._out.append("/")
        else:
            self._drop_dots()
        self._state = _State.SLASH

    def _drop_dots(self) -> None:
        """Take a `.` or `..` that turned out to be a segment off the path, with the segment before it."""
        if self._state is _State.DOT:
            self._out.pop()
        elif self._state is _State.DOT_DOT:
            del self._out[-3:]
            while self._out and self._out[-1] != "/":
                self._out.pop()
            if not self._out:
                raise BadUri("the target leaves the root with ..")

    def _end(self, char: str) -> Uri:
        self._drop_dots()
        query = self._target[self._at :].partition("#")[0] if char == "?" else ""
        return Uri("".join(self._out), query)
