"""Documents that were read before, taken over by a new reading of their file."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from collections.abc import Set as AbstractSet

from tidegate.sources._reading import Document, Item, Known


class Merge:
    """Collects the documents of one file; those already known are the same Python objects as before."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self._known: dict[bytes, Document] = {}
        self._more: dict[bytes, list[Document]] = {}
        """Further documents of equal text (all but one lose the claim, but a file may hold them)."""
        self._used: set[bytes] = set()

    def start(self, before: Iterable[Document]) -> Generator[None]:
        """Take what the file held before; pauses often."""
        for document in before:
            yield
            # A faulty document is always read again: its findings name lines, which may have moved.
            if document.findings or not document.digest:
                continue
            if self._known.setdefault(document.digest, document) is not document:
                self._more.setdefault(document.digest, []).append(document)

    def known(self) -> AbstractSet[bytes]:
        """Give the digests of the documents that need no reading."""
        return self._known.keys()

    def add(self, found: Document | Known) -> None:
        """Take the next document of the file."""
        self.documents.append(self._as_before(found) if isinstance(found, Known) else found)

    def _as_before(self, found: Known) -> Document:
        document = self._known[found.digest]
        if found.digest in self._used:
            more = self._more.get(found.digest)
            document = more.pop(0) if more else _copy(document)
        self._used.add(found.digest)
        document.line = found.line
        return document


def _copy(document: Document) -> Document:
    items = tuple(Item(i.ref, i.obj, i.index) for i in document.items)
    return Document(document.digest, document.line, items, ignored=document.ignored)
