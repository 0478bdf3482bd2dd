"""What a source tells: objects that came, changed or went, and what is wrong in its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.findings import Finding
from tidegate.kube.objects import Ref, Resource


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is written."""

    file: str
    line: int = 0
    """1-based, of the first line of the object; 0 if not known."""
    document: int = 1
    """1-based number of the document in its file; empty ones do not count."""
    item: int = -1
    """Index in the ``items`` of a List; -1 for an object of its own."""

    def __str__(self) -> str:
        """Give ``file:line``, with the place in a List."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return place if self.item < 0 else f"{place} (item {self.item})"


@dataclass(frozen=True, slots=True)
class Change:
    """One object came, changed or went."""

    ref: Ref
    obj: Resource | None
    """The object as it is now in force; None if it is gone."""
    where: Place | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that were seen together, and the findings of the files that they concern."""

    changes: tuple[Change, ...] = ()
    """At most one for each object."""
    findings_by_file: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    """Replaces all earlier findings of each file named here; the folder itself counts as a file."""
    initial: bool = False
    """True for the one batch that is the complete listing: what it does not hold does not exist."""
    held: frozenset[Ref] = frozenset()
    """In the initial batch: objects that exist, but have been unusable since this source started. A version of them
    from an earlier run stays in force. If one goes, that is told, although it never came."""
    unread: frozenset[str] = frozenset()
    """Files of which some objects could not even be named; in the initial batch all of them, later those among
    ``findings_by_file``. Objects from an earlier run that the listing lacks may stand there."""
