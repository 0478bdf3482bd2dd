"""A type error of the decoder, told as findings: the field with its keys, the value, what would be accepted.

The decoder names the first fault, and a map's key only as ``[...]``. Here the plain object is searched for the key;
where several values of one map have the fault, each is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from tidegate.findings import Effect, Finding

VALUE_LENGTH: Final = 200
"""Characters of an offending value that a finding shows."""

_MESSAGE: Final = re.compile(r"(?P<what>.*?)(?: - at (?:`key` in )?`\$(?P<path>[^`]*)`)?", re.DOTALL)
_STEP: Final = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+|\.\.\.)\]")
_EXPECTED: Final = re.compile(r"Expected `(?P<types>[^`]+)`(?P<rest>.*)")
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>[^`]+)`")

_WORDS: Final = {
    "str": "a string",
    "int": "a whole number",
    "bool": "true or false",
    "object": "a mapping",
    "array": "a list",
    "bytes": "base64",
}

_PRIVATE: Final = frozenset({"data", "stringData"})
"""Fields of a Secret whose values are never shown."""


class _Spot(NamedTuple):
    field: str
    value: object
    absent: bool = False


def explain(error: msgspec.ValidationError, plain: object, kind: str, name: str) -> tuple[Finding, ...]:
    """Give the findings of a decoding error.

    ``plain`` is the object as plain dicts and lists, ``kind`` its kind, ``name`` what ``Finding.object`` says.
    """
    match = _MESSAGE.fullmatch(str(error))
    what, path = (match["what"], match["path"] or "") if match else (str(error), "")
    spots = list(_spots(plain, path, what))
    return tuple(_finding(spot, what, kind, name) for spot in spots)


def _finding(spot: _Spot, what: str, kind: str, name: str) -> Finding:
    private = kind == "Secret" and spot.field.partition("[")[0] in _PRIVATE
    value = "" if private or spot.absent else show(spot.value)
    type_, accepted = _classify(what, spot)
    return Finding(Effect.REFUSED, type_, name, spot.field, value, accepted)


def _classify(what: str, spot: _Spot) -> tuple[str, str]:
    """Give the type of the finding, and what would be accepted."""
    if spot.absent:
        return "MissingField", "this field must be given"
    if "base64" in what:
        return "InvalidBase64", "base64 with padding; plain text goes into stringData"
    expected = _EXPECTED.match(what)
    if expected is None:
        return "WrongType", what
    types = [t.strip() for t in expected["types"].split("|")]
    if expected["rest"].startswith((" <=", " >=")):
        return "OutOfRange", f"{_one_of(types)}{expected['rest']}"
    if "str" in types and isinstance(spot.value, bool | int | float):
        return "NotQuoted", f'a string: quote it, "{show(spot.value)}"'
    if types == ["str"] and spot.value is None:
        return "NotQuoted", 'a string; quote it: "" for an empty one'
    return "WrongType", _one_of(types)


def _one_of(types: Sequence[str]) -> str:
    words = [_WORDS.get(t, t) for t in types if t != "null"]
    return " or ".join(words)


def show(value: object) -> str:
    """Give a value as a finding shows it: text as it is, the rest as JSON, cut to 200 characters."""
    if isinstance(value, str):
        text = value
    else:
        try:
            text = msgspec.json.encode(value).decode()
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
            text = type(value).__name__
    return text if len(text) <= VALUE_LENGTH else text[: VALUE_LENGTH - 1] + "…"


def _spots(plain: object, path: str, what: str) -> Iterator[_Spot]:
    """Follow the decoder's path through the plain object, to each value that has the fault."""
    field, here = "", plain
    for step in _STEP.finditer(path):
        name, index = step["name"], step["index"]
        if name is not None:
            field = f"{field}.{name}" if field else name
            here = here.get(name) if isinstance(here, Mapping) else None
        elif index == "...":
            yield from _faulty(here, field, what)
            return
        else:
            field = f"{field}[{index}]"
            here = here[int(index)] if isinstance(here, list | tuple) and int(index) < len(here) else None
    missing = _MISSING.fullmatch(what)
    if missing:
        yield _Spot(f"{field}.{missing['name']}" if field else missing["name"], None, absent=True)
    else:
        yield _Spot(field, here)


def _faulty(mapping: object, field: str, what: str) -> Iterator[_Spot]:
    """Give each entry of a map of strings (or of base64) that is not one."""
    found = False
    for key, value in mapping.items() if isinstance(mapping, Mapping) else ():
        if not isinstance(value, str) or ("base64" in what and not is_base64(value)):
            found = True
            yield _Spot(f"{field}[{key}]", value)
    if not found:
        yield _Spot(f"{field}[...]", None)


def is_base64(text: str) -> bool:
    """Tell whether the decoder takes this text for base64."""
    try:
        msgspec.convert(text, bytes)
    except msgspec.ValidationError:
        return False
    return True
