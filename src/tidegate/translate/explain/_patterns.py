"""Path patterns of regex hosts, evaluated without nginx.

nginx uses PCRE on bytes. Here Python's `re` works on bytes too, after the few spellings that differ are
translated. A pattern that only PCRE understands raises `NotComparable`: saying "unknown" beats guessing.
"""

from __future__ import annotations

import functools
import re
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


def match(pattern: str, path: str) -> tuple[str, ...] | None:
    """Match `^<pattern>` without regard to case; give the captures, or None if it does not match."""
    found = _compiled(pattern).match(path.encode("latin-1", "replace"))
    if found is None:
        return None
    return tuple((group or b"").decode("latin-1") for group in found.groups())


def search(pattern: str, text: str) -> bool:
    """Say whether a pattern matches anywhere in a text, case counting."""
    return _compiled(pattern, flags=0).search(text.encode("latin-1", "replace")) is not None


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str, flags: int = re.IGNORECASE) -> re.Pattern[bytes]:
    text = _NAMED_GROUP.sub("(?P<", pattern)
    for name, members in _CLASSES.items():
        text = text.replace(name, members)
    try:
        return re.compile(text.encode(), flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise NotComparable(f"{pattern!r} cannot be evaluated outside nginx: {error}") from error
