"""JSON files: one value, with kubectl's strictness about duplicate keys."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any, Final

import msgspec

from tidegate.sources import _exact, _limits
from tidegate.sources._faults import Unreadable

_BYTE: Final = re.compile(r"\(byte (\d+)\)")


def read(text: bytes) -> Any:
    """Read one JSON value. Raises ``Unreadable``."""
    _exact.check_text(text)
    try:
        value = msgspec.json.decode(text)
        # What was written and what was read are the same text unless a key stood twice (or a number or escape is
        # written in an unusual way, which the slower look tells apart).
        if msgspec.json.format(text, indent=-1) != msgspec.json.encode(value):
            json.loads(text, object_pairs_hook=partial(_check_unique, text))
    except RecursionError as e:
        raise _too_deep() from e
    except (msgspec.DecodeError, json.JSONDecodeError) as e:
        raise _not_json(text, str(e)) from e
    return value


def _check_unique(text: bytes, pairs: list[tuple[str, Any]]) -> None:
    """Refuse an object with a key that stands twice."""
    if len(pairs) == len(dict(pairs)):
        return
    for _ in _exact.read(text):  # JSON is YAML, and that reader knows where the key stands
        pass
    raise Unreadable("DuplicateKey", 1, 1, "a key stands twice in one object", "each key once")


def _too_deep() -> Unreadable:
    return Unreadable(
        "TooDeep", 1, 1, "the nesting is too deep", f"at most {_limits.DEPTH} levels of nesting"
    )


def _not_json(text: bytes, message: str) -> Unreadable:
    match = _BYTE.search(message)
    offset = min(int(match[1]), len(text)) if match else len(text)
    line = text.count(b"\n", 0, offset) + 1
    column = offset - text.rfind(b"\n", 0, offset)
    words = _BYTE.sub("", message).strip()
    if "truncated" in words:
        words = "the file ends in the middle of a value"
    return Unreadable("NotJson", line, column, words, "one JSON value: an object, or a List of them")
