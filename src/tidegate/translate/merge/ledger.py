"""The ledger: all findings that hold now, by the object they are about and by whatever found them.

Findings about conflicts come from the merge, long after an Ingress was interpreted, and their place in its manifest moves
when it is edited. So a note may name a slot or a backend instead of a field; the field is filled in when it is handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec

from tidegate.findings import Finding
from tidegate.kube.objects import Ref

Place = Hashable
"""What a note is about inside its object: a slot, or a backend id."""


Fields = Callable[[Ref, AbstractSet[Place]], Mapping[Place, str]]
"""Gives the fields of places inside an object."""


class Note(NamedTuple):
    """A finding about an object, found by looking at several."""

    object: Ref
    finding: Finding
    place: Place = None
    """None: the finding names its field itself."""


class Ledger:
    """Notes by source; findings by object."""

    def __init__(self) -> None:
        self._sources: dict[Hashable, tuple[Ref, ...]] = {}
        self._notes: dict[Ref, dict[Hashable, tuple[Note, ...]]] = {}
        self._changed: set[Ref] = set()
        self._given: dict[Ref, tuple[Finding, ...]] = {}

    def put(self, source: Hashable, notes: Iterable[Note] = ()) -> None:
        """Say all that a source finds now; what it found before no longer holds."""
        by_object: dict[Ref, list[Note]] = {}
        for note in notes:
            by_object.setdefault(note.object, []).append(note)
        before = self._sources.get(source, ())
        if not by_object and not before:
            return
        for ref in before:
            if ref not in by_object:
                self._remove(ref, source)
        for ref, found in by_object.items():
            self._notes.setdefault(ref, {})[source] = tuple(found)
            self._changed.add(ref)
        if by_object:
            self._sources[source] = tuple(by_object)
        else:
            self._sources.pop(source, None)

    def moved(self, ref: Ref) -> None:
        """Say that the places inside an object may have moved."""
        if ref in self._notes:
            self._changed.add(ref)

    @property
    def cost(self) -> int:
        """Give the number of notes that handing out would look at."""
        return sum(len(self._notes.get(ref, ())) for ref in self._changed)

    def take(self, fields: Fields) -> dict[Ref, tuple[Finding, ...]]:
        """Hand out the findings of each object whose findings differ from the last time."""
        different = {}
        for ref in self._changed:
            findings = self._findings(ref, fields)
            if findings != self._given.get(ref, ()):
                different[ref] = findings
            if findings:
                self._given[ref] = findings
            else:
                self._given.pop(ref, None)
        self._changed = set()
        return different

    def _remove(self, ref: Ref, source: Hashable) -> None:
        there = self._notes[ref]
        del there[source]
        if not there:
            del self._notes[ref]
        self._changed.add(ref)

    def _findings(self, ref: Ref, fields: Fields) -> tuple[Finding, ...]:
        notes = [note for found in self._notes.get(ref, {}).values() for note in found]
        wanted = {note.place for note in notes if note.place is not None}
        places = fields(ref, wanted) if wanted else {}
        return tuple(sorted({_filled(note, places) for note in notes}))


def _filled(note: Note, places: Mapping[Place, str]) -> Finding:
    if note.place is None:
        return note.finding
    return msgspec.structs.replace(note.finding, field=places.get(note.place, "spec") + note.finding.field)
