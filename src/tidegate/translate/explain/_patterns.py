"""Path patterns of regex hosts, evaluated without nginx.

nginx uses PCRE on bytes. Here Python's `re` works on bytes too, after the few spellings that differ are
translated. A pattern that only PCRE understands raises `NotComparable`: saying "unknown" beats guessing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_NAMED_GROUP: Final = re.compile(r"\(\?<(?=[A-Za-z_])")
_CLASSES: Final = {
    "[:alnum:]": "A-Za-z0-9",
    "[:alpha:]": "A-Za-z",
    "[:digit:]": "0-9",
    "[:lower:]": "a-z",
    "[:upper:]": "A-Z",
    "[:space:]": r"\s",
    "[:word:]": r"\w",
    "[:xdigit:]": "A-Fa-f0-9",
}


class NotComparable(ValueError):
    """A pattern that cannot be evaluated outside nginx."""


@dataclass(frozen=True, slots=True)
class Found:
    """A match of a pattern."""

    groups: tuple[str, ...]
    """The whole match, then the captures; empty for those that took no part."""
    names: Mapping[str, str]


def find(pattern: str, text: str, *, anchored: bool = False, ignore_case: bool = False) -> Found | None:
    """Look for a pattern in a text; None if it is not there. Raises `NotComparable`."""
    compiled = _compiled(pattern, re.IGNORECASE if ignore_case else 0)
    subject = text.encode("latin-1", "replace")
    match = compiled.match(subject) if anchored else compiled.search(subject)
    if match is None:
        return None
    groups = (match[0], *match.groups(b""))
    names = {name: value.decode("latin-1") for name, value in match.groupdict(b"").items()}
    return Found(tuple(group.decode("latin-1") for group in groups), names)


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str, flags: int) -> re.Pattern[bytes]:
    text = _NAMED_GROUP.sub("(?P<", pattern)
    for name, members in _CLASSES.items():
        text = text.replace(name, members)
    try:
        return re.compile(text.encode(), flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise NotComparable(f"{pattern!r} cannot be evaluated outside nginx: {error}") from error
