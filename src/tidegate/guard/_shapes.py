"""The shape of a regular expression: read far enough to see whether matching it can explode.

A backtracking matcher takes exponential time when a repeated group can take the same text in several ways: ``(a+)+``,
``(a|a)*``, ``(.*/)*``. A repeated group passes only if it cannot: its choices begin with different characters, its
elastic parts (those that may take more or less) have no character in common, and where it has such parts, some other
character that they cannot take marks each round: ``([a-z]+/)*``. Some harmless patterns fall to this, but none that a
path needs.

What this reader does not know (recursion, conditions, callouts, verbs, references back) is refused: a path needs none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tidegate.guard._refusal import Unacceptable

ALL: Final = (1 << 256) - 1
MANY: Final = 10
"""A repetition that may go on for longer than this counts as endless."""
DEPTH: Final = 16
"""Groups inside groups."""


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of a sequence: a character of ``chars`` (a set of bytes as 256 bits), or a group of ``ways``."""

    chars: int = 0
    ways: tuple[tuple[Item, ...], ...] = ()
    least: int = 1
    elastic: bool = False
    """The number of times is not fixed."""


def of(*characters: int) -> int:
    """Make the set of some bytes."""
    return sum(1 << character for character in set(characters))


def _span(first: int, last: int) -> int:
    return of(*range(first, last + 1)) if first <= last else 0


_DIGIT: Final = _span(48, 57)
_UPPER: Final = _span(65, 90)
_LOWER: Final = _span(97, 122)
_WORD: Final = _DIGIT | _UPPER | _LOWER | of(95)
_SPACE: Final = of(9, 10, 11, 12, 13, 32)
_BLANK: Final = of(9, 32)
_ESCAPED_SETS: Final = {
    "d": _DIGIT, "D": ALL & ~_DIGIT, "w": _WORD, "W": ALL & ~_WORD, "s": _SPACE, "S": ALL & ~_SPACE,
    "h": _BLANK | of(160), "H": ALL & ~(_BLANK | of(160)), "N": ALL & ~of(10),
}  # fmt: skip
_ESCAPED_CHARS: Final = {"t": 9, "n": 10, "r": 13, "f": 12, "a": 7, "e": 27}
_ZERO_WIDTH: Final = "bBAzZG"
_POSIX: Final = {
    "alnum": _WORD & ~of(95), "alpha": _UPPER | _LOWER, "digit": _DIGIT, "lower": _LOWER, "upper": _UPPER,
    "space": _SPACE, "word": _WORD, "xdigit": _DIGIT | _span(65, 70) | _span(97, 102), "blank": _BLANK,
    "punct": _span(33, 47) | _span(58, 64) | _span(91, 96) | _span(123, 126),
    "cntrl": _span(0, 31) | of(127), "graph": _span(33, 126), "print": _span(32, 126), "ascii": _span(0, 127),
}  # fmt: skip
_GROUP: Final = re.compile(
    r"\?(?:P?<[A-Za-z_][A-Za-z0-9_]{0,31}>|'[A-Za-z_][A-Za-z0-9_]{0,31}'|:|=|!|<=|<!|>|-?[ims]{1,3}:|-?[ims]{1,3}(?=\)))"
)
_COUNT: Final = re.compile(r"\{([0-9]{1,5})(,?)([0-9]{0,5})\}")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{2}")
_POSIX_CLASS: Final = re.compile(r"\[:(\^?)([a-z]+):\]")


def _refuse(what: str) -> Unacceptable:
    return Unacceptable(f"a regular expression without {what}")


class _Reader:
    """Reads a pattern byte by byte (as latin-1 text, so that an index is an offset)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        taken = self.peek()
        self.at += 1
        return taken

    def took(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def ways(self) -> tuple[tuple[Item, ...], ...]:
        found = [self.sequence()]
        while self.peek() == "|":
            self.at += 1
            found.append(self.sequence())
        return tuple(found)

    def sequence(self) -> tuple[Item, ...]:
        items: list[Item] = []
        while (char := self.peek()) and char not in "|)":
            item = self.item()
            if item is not None:
                items.append(self.repeated(item))
        return tuple(items)

    def item(self) -> Item | None:
        char = self.take()
        if char in "^$":
            return None
        if char == "(":
            return self.group()
        if char == "[":
            return Item(chars=self.char_class())
        if char == "\\":
            return self.escape()
        return Item(chars=ALL if char == "." else of(ord(char)))

    def group(self) -> Item | None:
        if self.peek() == "*":
            raise _refuse("verbs such as (*…)")
        if self.peek() == "?" and not self.took(_GROUP):
            raise _refuse("recursion, conditions, comments and options inside")
        is_look = bool(self.text[self.at - 1] in "=!" and "?" in self.text[max(0, self.at - 3) : self.at])
        self.depth += 1
        if self.depth > DEPTH:
            raise _refuse(f"more than {DEPTH} groups inside each other")
        ways = self.ways()
        self.depth -= 1
        if self.take() != ")":
            raise Unacceptable("a regular expression whose parentheses are balanced")
        return Item(ways=ways, least=0 if is_look else 1)

    def escape(self) -> Item | None:
        char = self.take()
        if char in _ESCAPED_SETS:
            return Item(chars=_ESCAPED_SETS[char])
        if char and char in _ZERO_WIDTH:
            return None
        if char == "R":
            return Item(chars=of(10, 11, 12, 13, 133))
        return Item(chars=of(self.escaped_char(char)))

    def escaped_char(self, char: str) -> int:
        if char in _ESCAPED_CHARS:
            return _ESCAPED_CHARS[char]
        if char == "x" and (code := self.took(_HEX)):
            return int(code[0], 16)
        if not char or char.isalnum():
            raise _refuse(f"the escape \\{char}")
        return ord(char)

    def char_class(self) -> int:
        negated = self.peek() == "^"
        self.at += negated
        chars, start = 0, self.at
        while (char := self.peek()) != "]" or self.at == start:
            if not char:
                raise Unacceptable("a regular expression whose brackets are balanced")
            chars |= self.class_part()
        self.at += 1
        return ALL & ~_any_case(chars) if negated else chars

    def class_part(self) -> int:
        if named := self.took(_POSIX_CLASS):
            if named[2] not in _POSIX:
                raise _refuse(f"the class {named[0]}")
            return ALL & ~_POSIX[named[2]] if named[1] else _POSIX[named[2]]
        first = self.class_char()
        if isinstance(first, tuple):
            return first[0]
        if self.peek() != "-" or self.text[self.at + 1 : self.at + 2] in {"]", ""}:
            return of(first)
        self.at += 1
        last = self.class_char()
        return of(first, 45) | last[0] if isinstance(last, tuple) else _span(first, last)

    def class_char(self) -> int | tuple[int]:
        """Give one character, or (in a tuple) the set that an escape stands for."""
        char = self.take()
        if char != "\\":
            return ord(char)
        escaped = self.take()
        if escaped in _ESCAPED_SETS:
            return (_ESCAPED_SETS[escaped],)
        return 8 if escaped == "b" else self.escaped_char(escaped)

    def repeated(self, item: Item) -> Item:
        while (found := self.quantifier()) is not None:
            least, most = found
            if self.peek() and self.peek() in "?+":
                self.at += 1
            item = _times(item, least, most)
        return item

    def quantifier(self) -> tuple[int, int | None] | None:
        char = self.peek()
        if char and char in "*+?":
            self.at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        if found := self.took(_COUNT):
            least = int(found[1])
            return least, least if not found[2] else int(found[3]) if found[3] else None
        return None


def _any_case(chars: int) -> int:
    """Add the other case of each letter: paths are compared without regard to case."""
    return chars | (chars & _UPPER) << 32 | (chars & _LOWER) >> 32


def _times(item: Item, least: int, most: int | None) -> Item:
    if (most is None or most > MANY) and (item.ways or item.elastic):
        _check_rounds(item.ways or ((item,),))
    return Item(item.chars, item.ways, min(item.least, least), elastic=item.elastic or least != most)


def _check_rounds(ways: tuple[tuple[Item, ...], ...]) -> None:
    """Refuse a group that, repeated, could take one text in several ways."""
    _check_choices(ways)
    for way in ways:
        elastic = [_any_case(chars) for chars in _elastic(way)]
        if not elastic:
            continue
        marks = (_any_case(item.chars) for item in way if item.least and not item.ways and not item.elastic)
        if _overlap(elastic) or not any(not mark & _union(elastic) for mark in marks):
            raise _refuse("a repetition inside a repetition, such as (a+)+")


def _check_choices(ways: tuple[tuple[Item, ...], ...]) -> None:
    if len(ways) > 1 and _overlap([_any_case(_first(way)) for way in ways]):
        raise _refuse("repeated choices that begin alike, such as (a|ab)*")
    for way in ways:
        for item in way:
            _check_choices(item.ways)


def _overlap(sets: list[int]) -> bool:
    return sum(chars.bit_count() for chars in sets) != _union(sets).bit_count()


def _union(sets: list[int]) -> int:
    union = 0
    for chars in sets:
        union |= chars
    return union


def _first(way: tuple[Item, ...]) -> int:
    """Give the bytes with which a way can begin; all, if it can be empty."""
    found = 0
    for item in way:
        found |= item.chars | _union([_first(inner) for inner in item.ways])
        if item.least:
            return found
    return ALL


def _elastic(way: tuple[Item, ...]) -> list[int]:
    """Give the sets of bytes of the elastic parts, those of groups inside too."""
    found = []
    for item in way:
        if item.elastic:
            found.append(item.chars | _union([_everything(inner) for inner in item.ways]))
        else:
            found += [chars for inner in item.ways for chars in _elastic(inner)]
    return found


def _everything(way: tuple[Item, ...]) -> int:
    return _union([item.chars | _union([_everything(inner) for inner in item.ways]) for item in way])


def check(pattern: str) -> None:
    """Read a pattern and raise ``Unacceptable`` if its shape is not understood or can explode."""
    reader = _Reader(pattern.encode().decode("latin-1"))
    reader.ways()
    if reader.peek():
        raise Unacceptable("a regular expression whose parentheses are balanced")
