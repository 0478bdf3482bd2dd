"""From the bytes of one file to its documents, each with typed objects and findings. Pure.

A document whose bytes are known already is not parsed again. A document with a fault never hides the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from tidegate.findings import Effect, Finding
from tidegate.kube.decoding import Decoded, decode_plain
from tidegate.kube.objects import Ref, Resource
from tidegate.sources import _exact, _json, _positions, _simple, _splitting
from tidegate.sources._faults import Unreadable

DIGEST_BYTES: Final = 16
ANY_KIND: Final = ""
"""Stands in ``Document.nameless`` for an object of which not even the kind could be read."""


class TooSlow(Exception):
    """A document is too large to be read here and now; a worker has to."""


class Item(msgspec.Struct, gc=False, eq=False):
    """One object of a document."""

    ref: Ref
    obj: Resource | None
    """None: it is there, but cannot be used as written."""
    index: int = -1
    """Place in a List; -1 for the document itself."""


class Document(msgspec.Struct, gc=False, eq=False):
    """What one document of a file holds.

    Out of sight of the garbage collector, as its items: at 30,000 of them it would stop the event loop for long, and they
    form no cycles.
    """

    digest: bytes
    line: int
    """1-based, of the first line with content."""
    items: tuple[Item, ...] = ()
    findings: tuple[Finding, ...] = ()
    nameless: frozenset[str] = frozenset()
    """Kinds of faulty objects whose names could not be read; holds "" if not even the kind could be."""
    ignored: tuple[str, ...] = ()
    """Kinds of the objects that are not read, one each."""
    number: int = 1
    """1-based place among the documents of its file."""
    round: int = 0
    """The ledger's: the last reading in which the document was there; 0 if it is not in the ledger yet."""


@dataclass(frozen=True, slots=True)
class Known:
    """A document that was read before."""

    digest: bytes
    line: int


def read(
    file: str, data: bytes, known: Container[bytes], exact_bytes: int = 2**63
) -> Iterator[Document | Known]:
    """Read the documents of a file one by one.

    ``file`` is the name that findings give; ``known`` holds digests of documents not to be parsed again. Raises
    ``TooSlow`` at a document longer than ``exact_bytes`` that needs the exact reader. Never raises for what is in the file.
    """
    try:
        text = _splitting.normalize(data)
    except Unreadable as e:
        yield Document(b"", 1, (), (_fault(file, 1, b"", e),), frozenset({ANY_KIND}))
        return
    is_json = file.endswith(".json")
    chunks = [(1, text)] if is_json else _splitting.split(text)
    for start, chunk in chunks:
        digest = hashlib.blake2b(chunk, digest_size=DIGEST_BYTES).digest()
        line = start + _splitting.head_lines(chunk)
        if digest in known:
            yield Known(digest, line)
            continue
        reading = _Chunk(file, chunk, start, is_json=is_json)
        document = reading.read(digest, line, exact_bytes)
        if document is not None:
            yield document


def _fault(file: str, start: int, text: bytes, e: Unreadable) -> Finding:
    last = text.rstrip(b"\n").count(b"\n") + 1
    e.line = min(e.line, last)  # the parser may tell of the end of the text as one line more
    message = f"line {start + e.line - 1}, column {e.column}: {e.message}"
    return Finding(Effect.REFUSED, e.type, "", "", e.value, e.accepted, message, file, start + e.line - 1)


@dataclass(slots=True)
class _Chunk:
    """The text of a document (with ``...`` in it, of several), while it is read."""

    file: str
    text: bytes
    start: int
    is_json: bool
    items: list[Item] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    nameless: set[str] = field(default_factory=set)
    ignored: list[str] = field(default_factory=list)

    def read(self, digest: bytes, line: int, exact_bytes: int) -> Document | None:
        """Give the document; None if it is empty."""
        try:
            values = self._values(exact_bytes)
        except Unreadable as e:
            self.findings.append(_fault(self.file, self.start, self.text, e))
            self.nameless.add(ANY_KIND)
            values = []
        for number, value in enumerate(values):
            if value is not None:
                self._object(value, number, ())
        found = self.items or self.findings or self.ignored
        if not found:
            return None
        nameless, ignored = frozenset(self.nameless), tuple(self.ignored)
        return Document(digest, line, tuple(self.items), tuple(self.findings), nameless, ignored)

    def _values(self, exact_bytes: int) -> list[Any]:
        if self.is_json:
            return [_json.read(self.text)] if self.text.strip() else []
        try:
            return [_simple.read(self.text.decode("ascii"))]
        except (_simple.NotSimple, UnicodeDecodeError):
            pass
        if self.text.lstrip(b"- \n\t").startswith(b"{"):
            try:
                return [_json.read(self.text.removeprefix(b"---"))]
            except Unreadable:
                pass
        if len(self.text) > exact_bytes:
            raise TooSlow
        return list(_exact.read(self.text))

    def _object(
        self, value: Any, number: int, path: _positions.Path, kind: str = "", version: str = ""
    ) -> None:
        """Take one object, or each item of a list of objects (``List``, ``IngressList`` …)."""
        if isinstance(value, dict):
            kind_here = value.get("kind") or kind
            items = value.get("items")
            if isinstance(kind_here, str) and kind_here.endswith("List") and isinstance(items, list | None):
                item_kind = kind_here.removesuffix("List")
                item_version = value.get("apiVersion") if item_kind else ""
                item_version = item_version if isinstance(item_version, str) else ""
                for i, item in enumerate(items or ()):
                    self._object(item, number, (*path, "items", str(i)), item_kind, item_version)
                return
        self._decoded(decode_plain(value, kind, version), number, path)

    def _decoded(self, decoded: Decoded, number: int, path: _positions.Path) -> None:
        if decoded.ignored:
            self.ignored.append(decoded.kind)
            return
        if decoded.ref is not None:
            self.items.append(Item(decoded.ref, decoded.obj, int(path[-1]) if path else -1))
        else:
            self.nameless.add(decoded.kind)
        for finding in decoded.findings:
            steps = (*path, *_positions.path_of(finding.field))
            line = self.start + _positions.line_of(self.text, steps, number) - 1
            self.findings.append(replace(finding, file=self.file, line=line))
