"""The line of a field in YAML or JSON text. Asked only when something is wrong there, so it may take its time."""

from __future__ import annotations

import re
from typing import Any, Final

from yaml import events

from tidegate.sources._exact import read_events
from tidegate.sources._faults import Unreadable

_STEP: Final = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")

Path = tuple[str, ...]


def path_of(field: str) -> Path:
    """Give the steps of a field, e.g. ``spec.rules[0].host`` or ``metadata.annotations[example.com/a]``."""
    return tuple(m[1] if m[1] is not None else m[2] for m in _STEP.finditer(field))


def line_of(text: bytes, path: Path, document: int = 0) -> int:
    """Give the line (1-based, in ``text``) of a field, or of the deepest part of its path that exists.

    ``document`` counts the documents of the text from 0. Aliases and merges are not followed.
    """
    search = _Search(path, document)
    try:
        for event in read_events(text):
            search.take(event)
    except Unreadable:
        pass  # what was found before the fault counts
    return search.line


class _Search:
    def __init__(self, path: Path, document: int) -> None:
        self.line = 1
        self._path = path
        self._document = document
        self._now = -1
        self._found = -1
        self._steps: list[int | str | None] = []
        """For each open container: the index of the next item, or the key awaiting its value (None: a key comes)."""
        self._kinds: list[bool] = []
        """For each open container: whether it is a mapping."""

    def take(self, event: Any) -> None:
        kind = type(event)
        if kind is events.DocumentStartEvent:
            self._now += 1
        elif self._now != self._document:
            return
        elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
            self._steps.pop()
            self._kinds.pop()
            self._advance()
        elif kind is events.MappingStartEvent or kind is events.SequenceStartEvent:
            self._look(event)
            mapping = kind is events.MappingStartEvent
            self._kinds.append(mapping)
            self._steps.append(None if mapping else 0)
        elif kind is events.ScalarEvent or kind is events.AliasEvent:
            self._leaf(event)

    def _leaf(self, event: Any) -> None:
        if self._kinds and self._kinds[-1] and self._steps[-1] is None:
            self._steps[-1] = str(getattr(event, "value", ""))
            self._look(event)
        else:
            if not self._kinds or not self._kinds[-1]:
                self._look(event)
            self._advance()

    def _advance(self) -> None:
        if not self._kinds:
            return
        step = self._steps[-1]
        self._steps[-1] = step + 1 if isinstance(step, int) else None

    def _look(self, event: Any) -> None:
        """Take the line if this is the field, or closer to it than what was found."""
        depth = len(self._steps)
        if depth <= self._found or depth > len(self._path):
            return
        if all(str(s) == p for s, p in zip(self._steps, self._path, strict=False)):
            self._found = depth
            self.line = event.start_mark.line + 1
