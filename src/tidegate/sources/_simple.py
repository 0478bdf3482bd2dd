"""A fast reader for the plain kind of YAML in which most manifests are written.

It reads block mappings and sequences of one-line scalars, in ASCII. Every line must be beyond doubt: whatever else YAML
offers (and whatever is wrong) raises ``NotSimple``, and the document is read by the exact reader instead. So it never
reports a fault, and what it returns is what the exact reader returns.

Lines of manifests repeat, so what stands before a value and short values are remembered; that makes Python as fast here as
a reader in C++ whose tree has to be converted (docs/contributing/decisions/yaml.md), and equal strings become one object.
"""

from __future__ import annotations

import re
from typing import Any, Final

from tidegate.sources._limits import DEPTH
from tidegate.sources._scalars import WORDS


class NotSimple(Exception):
    """The document needs the exact reader."""


_PREFIX: Final = re.compile(r'( *)((?:- +)*)(?:([A-Za-z_][A-Za-z0-9_./-]*)|"([A-Za-z0-9_./ -]*)")')
_DASH: Final = re.compile(r"- +")
_VALUE: Final = re.compile(
    r'"([ !#-\[\]-~]*)"'  # 1: double-quoted without escapes
    r"|'([ -&(-~]*)'"  # 2: single-quoted without escapes
    r"|(0|[1-9][0-9]{0,15})"  # 3: decimal
    # 4: plain text, starting so that it is no number: a letter or slash, an IPv4 address or network, a duration or size.
    # A colon or space inside must be followed by something that cannot end or nest the scalar.
    r"|((?:[A-Za-z/_]|[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|[0-9]+[smhkKMGT](?=$|[iB]))"
    r"(?:[A-Za-z0-9/_.=+@,;$^*()~%&!?\\|<>'\[\]{}-]|:(?=[^ ])| +(?=[A-Za-z0-9/_.=+@,;$^*()~%&!?\\|<>'\[\]{}-]))*)"
)
_FLOW: Final = re.compile(r"\[([ !-Z\\^-z|~]*)\]")
_FLOW_PLAIN: Final = re.compile(r"[A-Za-z0-9/._-]+")
_NOTHING: Final = object()
_OPEN: Final = object()
"""The value of a key that has none on its own line."""

_PREFIXES: Final = 20_000
_VALUES: Final = 100_000
_VALUE_LENGTH: Final = 24
"""Bounds of what is remembered: some 15 MB at most, in practice a few hundred KB."""

_Prefix = tuple[int, tuple[int, ...], str]
_prefixes: dict[str, _Prefix] = {}
_values: dict[str, Any] = {}


def read(text: str) -> dict[str, Any] | None:
    """Read one document; None if it holds nothing but comments.

    Raises ``NotSimple``. Values may be shared between documents: they must not be changed.
    """
    if not text.isascii():
        raise NotSimple
    # One long loop: a call for each line would cost a third of the speed.
    root: dict[str, Any] = {}
    node: Any = root
    column = 0
    nodes, columns = [node], [0]
    open_key: str | None = None  # a key whose value may follow on deeper lines
    open_column = 0
    for line in _content(text):
        before, colon, after = line.partition(": ")
        key: str | None
        if colon:
            at, dashes, key = _prefixes.get(before) or _prefix(before)
            value = _values.get(after, _NOTHING)
            if value is _NOTHING:
                value = _value(after)
        elif line[-1:] == ":":
            at, dashes, key = _prefixes.get(line[:-1]) or _prefix(line[:-1])
            value = _OPEN
        else:
            rest = line.lstrip(" ")
            if not rest or (rest[0] == "#" and rest.isprintable()):
                continue
            if rest[:2] != "- ":
                raise NotSimple
            at, key, value = len(line) - len(rest), None, _value(rest[2:])
            dashes = (at,)
            if value is _OPEN:
                raise NotSimple
        for dash in dashes:
            if open_key is not None and dash >= open_column:
                fresh: list[Any] = []
                node[open_key] = fresh
                nodes.append(fresh)
                columns.append(dash)
                node, column = fresh, dash
            else:
                while column > dash or (column == dash and type(node) is dict):
                    nodes.pop()
                    columns.pop()
                    if not nodes:
                        raise NotSimple
                    node, column = nodes[-1], columns[-1]
                if column != dash or type(node) is not list:
                    raise NotSimple
            open_key = None
        if key is None:
            node.append(value)
            continue
        if dashes:
            item: dict[str, Any] = {}
            node.append(item)
            nodes.append(item)
            columns.append(at)
            node, column = item, at
        elif open_key is not None and at > open_column:
            child: dict[str, Any] = {}
            node[open_key] = child
            nodes.append(child)
            columns.append(at)
            node, column = child, at
        elif column != at or type(node) is list:
            while column > at or type(node) is list:
                nodes.pop()
                columns.pop()
                node, column = nodes[-1], columns[-1]
            if column != at:
                raise NotSimple
        if key in node:
            raise NotSimple
        if value is _OPEN:
            node[key] = None
            open_key, open_column = key, at
        else:
            node[key] = value
            open_key = None
        if len(nodes) > DEPTH:
            raise NotSimple
    return root or None


def _content(text: str) -> list[str]:
    """Give the lines, without the document marker."""
    lines = text.split("\n")
    if lines[0].startswith("---"):
        if lines[0].rstrip(" ") != "---":
            raise NotSimple
        lines[0] = ""
    return lines


def _prefix(before: str) -> _Prefix:
    """Take apart what stands before a value: the column of the key, those of the dashes before it, the key."""
    match = _PREFIX.fullmatch(before)
    if match is None:
        raise NotSimple
    spaces, dashes, plain, quoted = match.groups()
    if plain is not None and plain in WORDS:
        raise NotSimple
    at, columns = len(spaces), []
    for dash in _DASH.findall(dashes):
        columns.append(at)
        at += len(dash)
    if len(columns) > 1:
        raise NotSimple
    found = (at, tuple(columns), plain if plain is not None else quoted)
    if len(_prefixes) < _PREFIXES:
        _prefixes[before] = found
    return found


def _value(text: str) -> Any:
    """Give the value that a text after a colon or dash stands for."""
    match = _VALUE.fullmatch(text)
    if match is None:
        return _unusual_value(text)
    group = match.lastindex
    value: Any
    if group == 3:
        value = int(text)
    elif group == 4:
        value = WORDS.get(text, text)
    else:
        value = match[group or 0]
    if len(text) <= _VALUE_LENGTH and len(_values) < _VALUES:
        _values[text] = value
    return value


def _unusual_value(text: str) -> Any:
    stripped = text.strip(" ")
    if stripped != text:
        return _value(stripped)
    if not text:
        return _OPEN
    if text == "{}":
        return {}
    flow = _FLOW.fullmatch(text)
    if flow is None:
        raise NotSimple
    return _flow(flow[1])


def _flow(inner: str) -> list[Any]:
    """Give a one-line list of simple scalars."""
    if not inner.strip(" "):
        return []
    return [_flow_item(part.strip(" ")) for part in inner.split(",")]


def _flow_item(text: str) -> Any:
    match = _VALUE.fullmatch(text)
    if match is None or (match.lastindex == 4 and not _FLOW_PLAIN.fullmatch(text)):
        raise NotSimple
    return _value(text)
