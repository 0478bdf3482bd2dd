"""What a plain YAML scalar means, by the rules that kubectl and the API server use.

Those are YAML 1.1's as sigs.k8s.io/yaml (its go-yaml v2) has them: ``yes``, ``on``, ``y`` are booleans, ``0777`` is octal,
``1_000`` a number; sexagesimal numbers and dates stay strings.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

Scalar = str | int | float | bool | None

STR_TAG: Final = "tag:yaml.org,2002:str"
_TAG_PREFIX: Final = "tag:yaml.org,2002:"


def _cases(*words: str) -> frozenset[str]:
    return frozenset(form for w in words for form in (w, w.capitalize(), w.upper()))


_TRUE: Final = _cases("y", "yes", "true", "on")
_FALSE: Final = _cases("n", "no", "false", "off")
_NULL: Final = _cases("null") | {"", "~"}
WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
    **dict.fromkeys(_NULL, None),
}
"""Plain words that are not strings."""

_DIGITS: Final = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<x>[0-9a-fA-F]+)|0[bB](?P<b>[01]+)|0[oO]?(?P<o>[0-7]+)|(?P<d>0|[1-9][0-9]*))"
)
_BASES: Final = {"x": 16, "b": 2, "o": 8, "d": 10}
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NUMBER_START: Final = frozenset("+-.0123456789")


class NotOfTag(ValueError):
    """A scalar has a tag that it does not fit, or is a number that JSON cannot hold."""


def resolve(text: str) -> Scalar:
    """Give the value of a plain scalar. Raises ``NotOfTag`` for infinities and NaN."""
    if text in WORDS:
        return WORDS[text]
    if text[0] not in _NUMBER_START:
        return text
    if _INFINITE.fullmatch(text):
        raise NotOfTag(f"{text} is not a number that Kubernetes takes")
    digits = text.replace("_", "") if text[0] != "." else text
    match = _DIGITS.fullmatch(digits)
    if match:
        number = _integer(match)
        if -(2**63) <= number < 2**64:
            return number
    if _FLOAT.fullmatch(digits):
        number_ = float(digits)
        return text if number_ in {float("inf"), float("-inf")} else number_
    return text


def _integer(match: re.Match[str]) -> int:
    group = str(match.lastgroup)
    if group == "d" and len(match["d"]) > 20:
        return 2**64  # out of range whatever it is; int() of long text is slow
    value = int(match[group], _BASES[group])
    return -value if match["sign"] == "-" else value


def resolve_tagged(text: str, tag: str) -> Scalar:
    """Give the value of a scalar with an explicit tag. Unknown tags are strings. Raises ``NotOfTag``."""
    if not tag.startswith(_TAG_PREFIX):
        return text
    kind = tag.removeprefix(_TAG_PREFIX)
    if kind == "binary":
        return _binary(text)
    if kind not in {"bool", "int", "float", "null"}:
        return text
    value = resolve(text)
    if kind == "float" and type(value) is int:
        return float(value)
    names = {bool: "bool", int: "int", float: "float", type(None): "null"}
    if names.get(type(value)) != kind:
        raise NotOfTag(f"{text[:40]} is no !!{kind}")
    return value


def _binary(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, ValueError) as e:
        raise NotOfTag("this !!binary value is not base64 of UTF-8 text") from e


def key_text(value: Scalar) -> str:
    """Give the text of a mapping key, as kubectl turns keys into JSON. Raises ``NotOfTag`` for null."""
    if isinstance(value, str):
        return value
    if value is None:
        raise NotOfTag("a key may not be null")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else f"{value:g}"
