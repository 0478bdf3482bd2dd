"""The exact reader: any YAML, judged as strictly as kubectl does, from libyaml's events.

Refused with line and column: what is not YAML, duplicate keys, keys that are no text, values that JSON cannot hold, nesting
and aliases beyond the limits. Nothing recurses, so depth costs no stack; an alias shares the object it stands for,
and what all aliases of a document stand for is counted before it is used, so a small text cannot grow large.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from yaml import events

from tidegate.sources import _limits
from tidegate.sources._faults import Unreadable
from tidegate.sources._scalars import STR_TAG, NotOfTag, Scalar, key_text, resolve, resolve_tagged

_NO_KEY: Final = object()
_MERGE: Final = "<<"
_MERGE_KEY: Final = object()
_TEXT: Final = "UTF-8 text without control characters"
_DEPTH: Final = f"at most {_limits.DEPTH} levels of nesting"
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class _Cost:
    """How many nodes and bytes of text a value holds, aliases expanded."""

    __slots__ = ("nodes", "text")

    def __init__(self, nodes: int = 0, text: int = 0) -> None:
        self.nodes = nodes
        self.text = text

    def add(self, other: _Cost) -> None:
        self.nodes += other.nodes
        self.text += other.text


class _Frame:
    """An open mapping or sequence."""

    __slots__ = ("anchor", "cost", "explicit", "key", "merges", "value")

    def __init__(self, value: dict[str, Any] | list[Any], anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.cost = _Cost(1)
        self.key: Any = _NO_KEY
        self.merges: list[Any] | None = None


def read(text: bytes) -> Iterator[Any]:
    """Read every document of a text as plain dicts, lists and scalars. Raises ``Unreadable``."""
    for _, value in read_with_lines(text):
        yield value


def read_with_lines(text: bytes) -> Iterator[tuple[int, Any]]:
    """Read every document with the line (1-based) on which its content begins. Raises ``Unreadable``."""
    check_text(text)
    reader = _Reader()
    for event in read_events(text):
        if reader.take(event):
            yield reader.line, reader.result


def read_events(text: bytes) -> Iterator[Any]:
    """Give the events of a text. Raises ``Unreadable`` for what is not YAML."""
    loader = yaml.CSafeLoader(text)
    try:
        while (event := loader.get_event()) is not None:
            yield event
    except yaml.MarkedYAMLError as e:
        raise _not_yaml(e) from e
    except yaml.YAMLError as e:
        raise Unreadable("NotYaml", 1, 1, str(e).splitlines()[0], _TEXT) from e


def check_text(text: bytes) -> None:
    """Raise ``Unreadable`` for what is not UTF-8, or holds control characters."""
    try:
        text.decode()
    except UnicodeDecodeError as e:
        raise _at(text, e.start, f"the byte {text[e.start]:#04x} is not UTF-8") from e
    control = _CONTROL.search(text)
    if control:
        raise _at(text, control.start(), f"the control character {control[0][0]:#04x} stands in the text")


def _at(text: bytes, offset: int, message: str) -> Unreadable:
    line = text.count(b"\n", 0, offset) + 1
    return Unreadable("NotText", line, offset - text.rfind(b"\n", 0, offset), message, _TEXT)


def _not_yaml(error: yaml.MarkedYAMLError) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = error.problem or "not YAML"
    if error.context:
        problem = f"{problem}, {error.context}"
    if "nesting depth" in problem:
        return Unreadable("TooDeep", line, column, problem, _DEPTH)
    accepted = "YAML"
    if "cannot start any token" in problem:
        accepted = (
            "spaces, not tabs, for indentation; quotes around text that starts with a special character"
        )
    elif "expected" in problem or "mapping values" in problem:
        accepted = (
            "YAML: lines of one mapping or list start in one column; quotes around text that holds ': '"
        )
    return Unreadable("NotYaml", line, column, problem, accepted)


class _Reader:
    """Builds the value of one document after another."""

    def __init__(self) -> None:
        self.result: Any = None
        self.line = 1
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, _Cost]] = {}
        self._aliased = _Cost()

    def take(self, event: Any) -> bool:
        """Take an event; True if a document is complete and stands in ``result``."""
        kind = type(event)
        if kind is events.ScalarEvent:
            self._scalar(event)
        elif kind is events.MappingStartEvent:
            self._open(event, {})
        elif kind is events.SequenceStartEvent:
            self._open(event, [])
        elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
            self._close(event)
        elif kind is events.AliasEvent:
            self._alias(event)
        elif kind is events.DocumentStartEvent:
            self._begin()
        elif kind is events.DocumentEndEvent:
            return True
        return False

    def _begin(self) -> None:
        self.result = None
        self.line = 0
        self._anchors = {}
        self._aliased = _Cost()

    def _open(self, event: Any, value: dict[str, Any] | list[Any]) -> None:
        if len(self._stack) >= _limits.DEPTH:
            raise _fault(
                event, "TooDeep", "the nesting is too deep", f"at most {_limits.DEPTH} levels of nesting"
            )
        if self._expects_key():
            raise _fault(event, "BadKey", "a key may not be a mapping or list", "text as key")
        self._stack.append(_Frame(value, event.anchor))
        self.line = self.line or event.start_mark.line + 1

    def _close(self, event: Any) -> None:
        frame = self._stack.pop()
        if frame.merges is not None:
            _merge(frame, event)
        if frame.anchor:
            self._anchors[frame.anchor] = frame.value, frame.cost
        self._put(frame.value, frame.cost, event)

    def _scalar(self, event: Any) -> None:
        if self._expects_key():
            self._key(event)
            return
        value = _scalar_value(event)
        cost = _Cost(1, len(event.value))
        if event.anchor:
            self._anchors[event.anchor] = value, cost
        self.line = self.line or event.start_mark.line + 1
        self._put(value, cost, event)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise _fault(
                event,
                "NotYaml",
                "an alias without a finished anchor",
                "an anchor before its alias",
                event.anchor,
            )
        value, cost = self._anchors[event.anchor]
        if self._expects_key():
            if isinstance(value, dict | list):
                raise _fault(event, "BadKey", "a key may not be a mapping or list", "text as key")
            self._set_key(event, key_text(value))
            return
        self._aliased.add(cost)
        if self._aliased.nodes > _limits.ALIASED_NODES or self._aliased.text > _limits.ALIASED_BYTES:
            accepted = f"aliases for at most {_limits.ALIASED_NODES} values and {_limits.ALIASED_BYTES} bytes in a document"
            raise _fault(event, "TooManyAliases", "the aliases of this document stand for too much", accepted)
        self._put(value, cost, event)

    def _expects_key(self) -> bool:
        return bool(self._stack) and self._stack[-1].key is _NO_KEY and type(self._stack[-1].value) is dict

    def _key(self, event: Any) -> None:
        frame = self._stack[-1]
        if event.value == _MERGE and event.implicit[0]:
            frame.key = _MERGE_KEY
            return
        try:
            key = key_text(_scalar_value(event))
        except NotOfTag as e:
            raise _fault(event, "BadKey", str(e), "text as key; quote it") from e
        if event.anchor:
            self._anchors[event.anchor] = key, _Cost(1, len(key))
        self._set_key(event, key)

    def _set_key(self, event: Any, key: str) -> None:
        frame = self._stack[-1]
        if key in frame.value:
            raise _fault(
                event,
                "DuplicateKey",
                f"the key {key[:200]!r} stands twice in one mapping",
                "each key once",
                key[:200],
            )
        frame.key = key

    def _put(self, value: Any, cost: _Cost, event: Any) -> None:
        """Give a value to the mapping or sequence that it stands in."""
        if not self._stack:
            self.result = value
            return
        frame = self._stack[-1]
        frame.cost.add(cost)
        if isinstance(frame.value, list):
            frame.value.append(value)
            return
        if frame.key is _MERGE_KEY:
            if frame.merges is not None:
                raise _fault(
                    event,
                    "DuplicateKey",
                    "the key '<<' stands twice in one mapping",
                    "a list of mappings",
                    _MERGE,
                )
            frame.merges = _mappings(value, event)
        else:
            frame.value[frame.key] = value
        frame.key = _NO_KEY


def _mappings(value: Any, event: Any) -> list[dict[str, Any]]:
    candidates = value if isinstance(value, list) else [value]
    if not all(isinstance(c, dict) for c in candidates):
        raise _fault(
            event, "NotYaml", "'<<' takes mappings only", "an alias of a mapping, or a list of those"
        )
    return candidates


def _merge(frame: _Frame, event: Any) -> None:
    """Add what ``<<`` names: a mapping's own keys win, then the earlier of the merged ones."""
    for source in frame.merges or ():
        for key, value in source.items():
            frame.value.setdefault(key, value)  # type: ignore[union-attr]
    if len(frame.value) > _limits.ALIASED_NODES:
        raise _fault(
            event, "TooManyAliases", "the merges of this mapping stand for too much", "fewer merged keys"
        )


def _scalar_value(event: Any) -> Scalar:
    text: str = event.value
    tag = event.tag
    try:
        if tag is None:
            return resolve(text) if event.implicit[0] else text
        return text if tag in {"!", STR_TAG} else resolve_tagged(text, tag)
    except NotOfTag as e:
        raise _fault(
            event, "NotYaml", str(e), "a value that JSON can hold; quote it if it is text", text[:200]
        ) from e


def _fault(event: Any, type_: str, message: str, accepted: str, value: str = "") -> Unreadable:
    mark = event.start_mark
    return Unreadable(type_, mark.line + 1, mark.column + 1, message, accepted, value)
