"""Order of Debian package versions.

The same order as `dpkg --compare-versions`, written out so that an installation can be judged where there is no
dpkg (in a container image, say). Debian Policy 5.6.12 is the rule.
"""

from __future__ import annotations

import re
from functools import cmp_to_key
from typing import Final

_CHUNKS: Final = re.compile(r"(\D*)(\d*)")


def compare(left: str, right: str) -> int:
    """Say how two versions stand to each other: -1 if `left` is older, 0 if they are the same, 1 if it is newer."""
    left_epoch, left_upstream, left_revision = _parts(left)
    right_epoch, right_upstream, right_revision = _parts(right)
    return (
        _sign(left_epoch - right_epoch)
        or _compare_text(left_upstream, right_upstream)
        or _compare_text(left_revision, right_revision)
    )


key = cmp_to_key(compare)
"""For `sorted` and `max`."""


def upstream(version: str) -> str:
    """Return what the authors of the program call this version: without epoch, revision and repacking marks."""
    return re.split(r"[+~]", _parts(version)[1])[0]


def _parts(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    body, dash, revision = rest.rpartition("-")
    return (int(epoch), body, revision) if dash else (int(epoch), revision, "")


def _compare_text(left: str, right: str) -> int:
    left_chunks, right_chunks = _CHUNKS.findall(left), _CHUNKS.findall(right)
    longest = max(len(left_chunks), len(right_chunks))
    nothing = [("", "")] * longest
    for (left_text, left_digits), (right_text, right_digits) in zip(
        (left_chunks + nothing)[:longest], (right_chunks + nothing)[:longest], strict=True
    ):
        by_text = _compare_letters(left_text, right_text)
        if by_text:
            return by_text
        by_number = _sign(int(left_digits or 0) - int(right_digits or 0))
        if by_number:
            return by_number
    return 0


def _compare_letters(left: str, right: str) -> int:
    left_weights, right_weights = [_weight(c) for c in left], [_weight(c) for c in right]
    # The end of the text weighs 0, so that a tilde sorts before it and everything else after it.
    longest = max(len(left_weights), len(right_weights))
    left_weights += [0] * (longest - len(left_weights))
    right_weights += [0] * (longest - len(right_weights))
    return (left_weights > right_weights) - (left_weights < right_weights)


def _weight(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
