"""All that is wrong at the moment, from every room, with the place in the source where it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from msgspec.structs import replace

from tidegate.findings import Finding
from tidegate.kube.objects import Ref
from tidegate.sources import Place

Locate = Callable[[Ref, str], Place | None]

_K = TypeVar("_K")
_Some = tuple[Finding, ...]


class Findings:
    """The findings of files and of objects, each replaced as a whole by newer ones."""

    def __init__(self, locate: Locate) -> None:
        """Take how to find the place of an object or of one of its fields."""
        self._locate = locate
        self._of_files: dict[str, tuple[Finding, ...]] = {}
        self._of_objects: dict[Ref, tuple[Finding, ...]] = {}

    def of_files(self, findings: Mapping[str, tuple[Finding, ...]]) -> list[Finding]:
        """Take the findings of files; give those that are new."""
        new = _new(self._of_files, findings)
        _replace(self._of_files, findings)
        return new

    def of_objects(self, findings: Mapping[Ref, tuple[Finding, ...]]) -> Iterator[Finding]:
        """Take the findings of objects; give those that are new, with their places, one when asked for."""
        new = [(ref, _new_of(self._of_objects, findings, ref)) for ref in findings]
        _replace(self._of_objects, findings)
        return (finding for ref, found in new for finding in self._placed(ref, found))

    def __iter__(self) -> Iterator[Finding]:
        # Lists: what is found may change while somebody looks at it bit by bit.
        for findings in list(self._of_files.values()):
            yield from findings
        for ref, findings in list(self._of_objects.items()):
            yield from self._placed(ref, findings)

    def __len__(self) -> int:
        return sum(map(len, (*self._of_files.values(), *self._of_objects.values())))

    def _placed(self, ref: Ref, findings: Iterable[Finding]) -> Iterator[Finding]:
        for finding in findings:
            place = None if finding.file else self._locate(ref, finding.field)
            yield replace(finding, file=place.file, line=place.line) if place else finding


def _new(known: Mapping[_K, _Some], findings: Mapping[_K, _Some]) -> list[Finding]:
    return [finding for key in findings for finding in _new_of(known, findings, key)]


def _new_of(known: Mapping[_K, _Some], findings: Mapping[_K, _Some], key: _K) -> list[Finding]:
    before = frozenset(known.get(key, ()))
    return [finding for finding in findings[key] if finding not in before]


def _replace(known: dict[_K, _Some], findings: Mapping[_K, _Some]) -> None:
    for key, found in findings.items():
        known.pop(key, None)
        if found:
            known[key] = found
