"""Regular expressions of users: compiled as nginx compiles them, with limits on what matching may cost.

nginx matches with PCRE2 over bytes, without regard to case, from the start of the path and not to its end.
"""

from __future__ import annotations

import re
from typing import Final

from tidegate.guard import _pcre2, _shapes
from tidegate.guard._refusal import Unacceptable

LENGTH: Final = 512
"""Bytes of a pattern."""
GROUPS: Final = 20
"""Groups that capture; nginx's targets can name nine."""
MATCH_LIMIT: Final = 100_000
"""Steps of one match (PCRE2's ``match_limit``): a few milliseconds."""

_OPTIONS: Final = _pcre2.NEVER_BACKSLASH_C | _pcre2.NEVER_UCP | _pcre2.NEVER_UTF
_SPECIAL: Final = re.compile(r"([.^$*+?()\[\]{}|\\])")


class Pattern:
    """A compiled pattern."""

    def __init__(self, text: str, *, ignore_case: bool = True, anchored: bool = True) -> None:
        """Compile ``text``. Raises ``Unacceptable`` for one that is too long, too costly or no pattern."""
        self.text = text
        _check_size(text)
        _shapes.check(text)
        options = _OPTIONS | (_pcre2.CASELESS if ignore_case else 0) | (_pcre2.ANCHORED if anchored else 0)
        try:
            self._code = _pcre2.Code(text.encode(), options)
        except _pcre2.CompileError as fault:
            raise Unacceptable(f"a regular expression; PCRE2 says: {fault}") from None
        if self._code.groups > GROUPS:
            raise Unacceptable(f"a regular expression with at most {GROUPS} capturing groups")

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    @property
    def groups(self) -> int:
        """Give the number of groups that capture."""
        return self._code.groups

    def match(self, path: str | bytes) -> tuple[str, ...] | None:
        """Match a path; give the captures (empty texts where a group took no part), or None.

        A match that costs more than ``MATCH_LIMIT`` counts as none. Bytes that are no UTF-8 come back as surrogates.
        """
        subject = path.encode("utf-8", "surrogateescape") if isinstance(path, str) else path
        try:
            found = self._code.match(subject, MATCH_LIMIT)
        except _pcre2.TooCostly:
            return None
        return None if found is None else tuple(part.decode("utf-8", "surrogateescape") for part in found)


def _check_size(text: str) -> None:
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        raise Unacceptable("a regular expression in valid Unicode") from None
    if length > LENGTH:
        raise Unacceptable(f"a regular expression of at most {LENGTH} bytes")


def fault(text: str) -> str:
    """Say what is wrong with the pattern of a path; empty if nothing is wrong."""
    try:
        Pattern(text)
    except Unacceptable as refusal:
        return str(refusal)
    return ""


def literal(text: str) -> str:
    """Give the pattern that matches just this text."""
    return _SPECIAL.sub(r"\\\1", text)
