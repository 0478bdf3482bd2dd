"""The ledger: which file claims which object, which claim is in force, and what changed since the last look. Pure.

Rules: of several claims of one name the first counts, by path and then by place in the file, among those that have a
usable version; the others are findings. An object that became unusable keeps its last good version; it goes only when its
file is readable and no longer holds it, or is gone.

What may be long is a generator that pauses often (``yield``) and returns its result; ``steps.finish`` runs one in one go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping

import msgspec

from tidegate.findings import Effect, Finding
from tidegate.kube.objects import Ref, Resource
from tidegate.sources._batches import Batch, Change, Place
from tidegate.sources._reading import ANY_KIND, Document, Item

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


class _Claim(msgspec.Struct, gc=False, eq=False):
    """A file says that it holds an object."""

    file: File
    document: Document
    item: Item

    def rank(self) -> tuple[str, int, int]:
        """Give the order among claims of one name."""
        return (self.file.path, self.document.number, self.item.index)

    def place(self) -> Place:
        return Place(self.file.path, self.document.line, self.document.number, self.item.index)


class Ledger:
    """All files and claims."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self._claims: dict[Ref, _Claim | list[_Claim]] = {}
        self._before: dict[Ref, Resource | None] = {}
        """What was in force at the last look, of each object touched since."""
        self._round = 0
        """Counts the readings of files, to tell the documents of the latest from those that it lacks."""
        self._dirty: dict[str, Findings] = {}
        """Files whose findings may have changed since the last look, with those told then."""

    # --- asking -------------------------------------------------------------------------------------------------------

    def place(self, ref: Ref) -> Place | None:
        """Give the place of the claim in force."""
        claim = self._winner(ref)
        return claim.place() if claim else None

    def ignored(self) -> Mapping[str, int]:
        """Count the objects of kinds that are not read, by kind."""
        return Counter(kind for f in self.files.values() for d in f.documents for kind in d.ignored)

    # --- telling ------------------------------------------------------------------------------------------------------

    def put(self, path: str, documents: list[Document]) -> Generator[None]:
        """Take what a file holds now. Documents that are the same Python objects as before count as unchanged."""
        file = self._file(path)
        self._round += 1
        fresh: list[Document] = []
        gone: list[Document] = []
        for document in documents:
            if document.round == 0:
                fresh.append(document)
            else:
                # It stays, but may stand elsewhere now: that counts where names clash, in the order and in the findings.
                self._touch_contested(document)
            document.round = self._round
            yield
        for document in file.everything():
            if document.round != self._round:
                gone.append(document)
            yield
        last_good = {i.ref: i.obj for d in gone for i in d.items if i.obj is not None}
        _hold_up(fresh, last_good)
        kept = _kept(documents, last_good)
        for number, document in enumerate(documents, 1):
            document.number = number
            yield
        for document in gone:
            self._release(file, document)
            yield
        file.documents, file.kept, file.fault = documents, kept, None
        for document in fresh if kept is None else [*fresh, kept]:
            self._claim(file, document)
            yield

    def fail(self, path: str, fault: Finding) -> None:
        """Take that a file (or folder) cannot be read: what it held stays in force."""
        self._file(path).fault = fault

    def drop(self, path: str) -> Generator[None]:
        """Take that a file is gone."""
        file = self.files.get(path)
        if file is None:
            return
        self._file(path)
        del self.files[path]
        for document in file.everything():
            self._release(file, document)
            yield

    def take(self, *, initial: bool = False) -> Generator[None, None, Batch]:
        """Give what changed since the last look."""
        changes = []
        for ref, before in self._before.items():
            change = self._change(ref, before)
            if change is not None:
                changes.append(change)
            yield
        findings = yield from self._new_findings()
        self._before = {}
        if not initial:
            return Batch(tuple(changes), findings)
        held = yield from self._held()
        unread = yield from self._unread()
        return Batch(tuple(changes), findings, initial=True, held=held, unread=unread)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _file(self, path: str) -> File:
        file = self.files.get(path)
        if file is None:
            file = self.files[path] = File(path)
        self._dirty.setdefault(path, file.told)
        return file

    def _claim(self, file: File, document: Document) -> None:
        for item in document.items:
            self._touch(item.ref)
            claim = _Claim(file, document, item)
            others = self._claims.get(item.ref)
            self._claims[item.ref] = claim if others is None else [*_as_list(others), claim]

    def _release(self, file: File, document: Document) -> None:
        for item in document.items:
            self._touch(item.ref)
            if file.losing:
                file.losing.pop(id(item), None)
            others = [c for c in _as_list(self._claims[item.ref]) if c.item is not item]
            if not others:
                del self._claims[item.ref]
            else:
                self._claims[item.ref] = others if len(others) > 1 else others[0]

    def _touch(self, ref: Ref) -> None:
        if ref not in self._before:
            claim = self._winner(ref)
            self._before[ref] = claim.item.obj if claim else None

    def _touch_contested(self, document: Document) -> None:
        for item in document.items:
            if isinstance(self._claims.get(item.ref), list):
                self._touch(item.ref)

    def _winner(self, ref: Ref) -> _Claim | None:
        claims = self._claims.get(ref)
        if claims is None:
            return None
        if isinstance(claims, _Claim):
            return claims if claims.item.obj is not None else None
        return min((c for c in claims if c.item.obj is not None), key=_Claim.rank, default=None)

    def _change(self, ref: Ref, before: Resource | None) -> Change | None:
        claim = self._winner(ref)
        self._judge_losers(ref, claim)
        now = claim.item.obj if claim else None
        if now is before or now == before:
            return None
        return Change(ref, now, claim.place() if claim else None)

    def _judge_losers(self, ref: Ref, winner: _Claim | None) -> None:
        """Renew the findings of the claims that are not in force."""
        claims = _as_list(self._claims.get(ref, []))
        if len(claims) == 1 and claims[0].file.losing is None:
            return
        for claim in claims:
            file = self._file(claim.file.path)
            if file.losing:
                file.losing.pop(id(claim.item), None)
            if claim is not winner and winner is not None:
                file.losing = file.losing or {}
                file.losing[id(claim.item)] = _duplicate(ref, claim.place(), winner.place())

    def _new_findings(self) -> Generator[None, None, dict[str, Findings]]:
        """Give the findings of the files in which they are others than at the last look."""
        found = {}
        dirty, self._dirty = self._dirty, {}
        for path in dirty:
            file = self.files.get(path)
            now = file.findings() if file is not None else ()
            if file is not None:
                file.told = now
            if now != dirty[path]:
                found[path] = now
            yield
        return found

    def _held(self) -> Generator[None, None, frozenset[Ref]]:
        held = []
        for ref in self._claims:
            if self._winner(ref) is None:
                held.append(ref)
            yield
        return frozenset(held)

    def _unread(self) -> Generator[None, None, frozenset[str]]:
        unread = []
        for path, file in self.files.items():
            if file.fault or any(d.nameless for d in file.documents):
                unread.append(path)
            yield
        return frozenset(unread)


def _duplicate(ref: Ref, here: Place, there: Place) -> Finding:
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


def _as_list(claims: _Claim | list[_Claim]) -> list[_Claim]:
    return [claims] if isinstance(claims, _Claim) else claims


def _hold_up(fresh: list[Document], last_good: Mapping[Ref, Resource]) -> None:
    """Give unusable objects their last good version."""
    for document in fresh:
        if document.findings:
            for item in document.items:
                if item.obj is None:
                    item.obj = last_good.get(item.ref)


def _kept(documents: list[Document], last_good: Mapping[Ref, Resource]) -> Document | None:
    """Give what vanished from a file in which a faulty document may still mean it, as a document of its own."""
    nameless = {kind for d in documents if d.nameless for kind in d.nameless}
    if not nameless or not last_good:
        return None
    named = {i.ref for d in documents for i in d.items}
    items = tuple(
        Item(ref, obj)
        for ref, obj in last_good.items()
        if ref not in named and (ANY_KIND in nameless or ref.kind in nameless)
    )
    return Document(b"", documents[-1].line, items, number=len(documents) + 1) if items else None
