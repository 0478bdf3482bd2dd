"""Claims: a file says that it holds an object. What the ledger keeps of files and of what they claim."""

from __future__ import annotations

import msgspec

from tidegate.findings import Effect, Finding
from tidegate.kube.objects import Ref
from tidegate.sources._batches import Place
from tidegate.sources._reading import Document, Item

Findings = tuple[Finding, ...]


class File:
    """The documents of a file as last read, and what its last good versions still hold up."""

    __slots__ = ("documents", "fault", "kept", "losing", "path", "told")

    def __init__(self, path: str) -> None:
        self.path = path
        self.documents: list[Document] = []
        self.kept: Document | None = None
        """Objects of former versions that a faulty document may still mean."""
        self.fault: Finding | None = None
        """Why the file could not be read at all; the documents are then those of the last time."""
        self.losing: dict[int, Finding] | None = None
        """Findings of the claims that another claim won, by the id of their item."""
        self.told: Findings = ()
        """The findings as of the last look."""

    def everything(self) -> list[Document]:
        """Give the documents, and what is kept."""
        return self.documents if self.kept is None else [*self.documents, self.kept]

    def findings(self) -> Findings:
        """Give all findings of the file, in the order of the text."""
        found = [self.fault] if self.fault else []
        for document in self.documents:
            found += document.findings
        found += (self.losing or {}).values()
        return tuple(sorted(found, key=lambda f: (f.line, f)))


class Claim(msgspec.Struct, gc=False, eq=False):
    """A file says that it holds an object."""

    file: File
    document: Document
    item: Item

    def rank(self) -> tuple[str, int, int]:
        """Give the order among claims of one name."""
        return (self.file.path, self.document.number, self.item.index)

    def place(self) -> Place:
        """Give where the object is written."""
        return Place(self.file.path, self.document.line, self.document.number, self.item.index)


def duplicate(ref: Ref, here: Place, there: Place) -> Finding:
    """Say that an object of this name counts elsewhere."""
    message = f"{here} gives this name too; {there} comes first and is in force"
    accepted = "each name once in the folder"
    return Finding(
        Effect.REFUSED,
        "DuplicateName",
        str(ref),
        "metadata.name",
        ref.name,
        accepted,
        message,
        here.file,
        here.line,
    )


def as_list(claims: Claim | list[Claim]) -> list[Claim]:
    """Give claims as a list; one by itself stands without one."""
    return [claims] if isinstance(claims, Claim) else claims
