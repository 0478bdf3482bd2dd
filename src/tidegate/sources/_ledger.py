"""The ledger: which file claims which object, which claim is in force, and what changed since the last look. Pure.

Rules: of several claims of one name the first counts, by path and then by place in the file, among those that have a
usable version; the others are findings. An object that became unusable keeps its last good version; it goes only when its
file is readable and no longer holds it, or is gone.

What may be long is a generator that pauses often (``yield``) and returns its result; ``steps.finish`` runs one in one go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Mapping

from tidegate.findings import Finding
from tidegate.kube.objects import Ref, Resource
from tidegate.sources._batches import Batch, Change, Place
from tidegate.sources._claims import Claim, File, Findings, as_list, duplicate
from tidegate.sources._reading import ANY_KIND, Document, Item
from tidegate.sources._steps import finish


class Ledger:
    """All files and claims."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self._claims: dict[Ref, Claim | list[Claim]] = {}
        self._before: dict[Ref, Resource | None] = {}
        """What was in force at the last look, of each object touched since."""
        self._round = 0
        """Counts the readings of files, to tell the documents of the latest from those that it lacks."""
        self._dirty: dict[str, Findings] = {}
        """Files whose findings may have changed since the last look, with those told then."""
        self._held: set[Ref] = set()
        """Objects of the first listing that were unusable then and ever since."""
        self._telling = False
        """Their findings are being collected."""

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
        # Other files may be put while this pauses: the number of the round is this reading's own.
        self._round += 1
        this = self._round
        fresh: list[Document] = []
        gone: list[Document] = []
        for document in documents:
            if document.round == 0:
                fresh.append(document)
            else:
                # It stays, but may stand elsewhere now: that counts where names clash, in the order and in the findings.
                yield from self._touch_contested(document)
            document.round = this
            yield
        for document in file.everything():
            if document.round != this:
                gone.append(document)
            yield
        last_good = yield from _last_good(gone)
        yield from _hold_up(fresh, last_good)
        kept = yield from _kept(documents, last_good)
        for number, document in enumerate(documents, 1):
            document.number = number
            yield
        for document in gone:
            yield from self._release(file, document)
        before, file.documents, file.kept, file.fault = file.documents, documents, kept, None
        for document in fresh if kept is None else [*fresh, kept]:
            yield from self._claim(file, document)
        gone.clear()
        # Freed one by one: thirty thousand at once would keep the event loop for long.
        while before:
            del before[-1]
            yield

    def overtake(self, files: Mapping[str, list[Document]]) -> Batch | None:
        """Take what small files hold now, and give what changed by it, while other work here may be half done.

        None, and nothing is taken, if that work concerns one of their objects, or another file names it too: then the
        outcome would depend on how far the work is.
        """
        if self._telling or not all(self._is_apart(path, found) for path, found in files.items()):
            return None
        before, dirty = self._before, self._dirty
        self._before, self._dirty = {}, {}
        for path, documents in files.items():
            finish(self.put(path, documents))
        batch = finish(self.take())
        self._before, self._dirty = before, dirty
        return batch

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
            yield from self._release(file, document)

    def take(self, *, initial: bool = False) -> Generator[None, None, Batch]:
        """Give what changed since the last look."""
        changes = []
        for ref, before in self._before.items():
            change = self._change(ref, before)
            if change is not None:
                changes.append(change)
            yield
        self._telling = True
        findings = yield from self._new_findings()
        self._telling = False
        self._before = {}
        if not initial:
            unread = yield from self._unread(findings)
            return Batch(tuple(changes), findings, unread=unread)
        held = yield from self._find_held()
        self._held = set(held)
        unread = yield from self._unread(self.files)
        return Batch(tuple(changes), findings, initial=True, held=held, unread=unread)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _file(self, path: str) -> File:
        file = self.files.get(path)
        if file is None:
            file = self.files[path] = File(path)
        self._dirty.setdefault(path, file.told)
        return file

    def _is_apart(self, path: str, documents: list[Document]) -> bool:
        """Tell whether a file's objects, as it held and as it holds them, are touched by nothing else."""
        file = self.files.get(path)
        if path in self._dirty:
            return False
        for document in [*documents, *(file.everything() if file else ())]:
            for item in document.items:
                claims = self._claims.get(item.ref)
                own = claims is None or (isinstance(claims, Claim) and claims.file is file)
                if not own or item.ref in self._before:
                    return False
        return True

    def _claim(self, file: File, document: Document) -> Generator[None]:
        for item in document.items:
            self._touch(item.ref)
            claim = Claim(file, document, item)
            others = self._claims.get(item.ref)
            self._claims[item.ref] = claim if others is None else [*as_list(others), claim]
            yield

    def _release(self, file: File, document: Document) -> Generator[None]:
        for item in document.items:
            self._touch(item.ref)
            if file.losing:
                file.losing.pop(id(item), None)
            others = [c for c in as_list(self._claims[item.ref]) if c.item is not item]
            if not others:
                del self._claims[item.ref]
            else:
                self._claims[item.ref] = others if len(others) > 1 else others[0]
            yield

    def _touch(self, ref: Ref) -> None:
        if ref not in self._before:
            claim = self._winner(ref)
            self._before[ref] = claim.item.obj if claim else None

    def _touch_contested(self, document: Document) -> Generator[None]:
        for item in document.items:
            if isinstance(self._claims.get(item.ref), list):
                self._touch(item.ref)
            yield

    def _winner(self, ref: Ref) -> Claim | None:
        claims = self._claims.get(ref)
        if claims is None:
            return None
        if isinstance(claims, Claim):
            return claims if claims.item.obj is not None else None
        return min((c for c in claims if c.item.obj is not None), key=Claim.rank, default=None)

    def _change(self, ref: Ref, before: Resource | None) -> Change | None:
        claim = self._winner(ref)
        self._judge_losers(ref, claim)
        now = claim.item.obj if claim else None
        if now is None and ref in self._held and ref not in self._claims:
            self._held.discard(ref)
            return Change(ref, None)
        if now is before or now == before:
            return None
        self._held.discard(ref)
        return Change(ref, now, claim.place() if claim else None)

    def _judge_losers(self, ref: Ref, winner: Claim | None) -> None:
        """Renew the findings of the claims that are not in force."""
        claims = as_list(self._claims.get(ref, []))
        if len(claims) == 1 and claims[0].file.losing is None:
            return
        for claim in claims:
            file = self._file(claim.file.path)
            if file.losing:
                file.losing.pop(id(claim.item), None)
            if claim is not winner and winner is not None:
                file.losing = file.losing or {}
                file.losing[id(claim.item)] = duplicate(ref, claim.place(), winner.place())

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

    def _find_held(self) -> Generator[None, None, frozenset[Ref]]:
        held = []
        for ref in self._claims:
            if self._winner(ref) is None:
                held.append(ref)
            yield
        return frozenset(held)

    def _unread(self, paths: Iterable[str]) -> Generator[None, None, frozenset[str]]:
        unread = []
        for path in paths:
            file = self.files.get(path)
            if file is not None and (file.fault or any(d.nameless for d in file.documents)):
                unread.append(path)
            yield
        return frozenset(unread)


def _last_good(gone: list[Document]) -> Generator[None, None, dict[Ref, Resource]]:
    """Give the usable versions of what a file no longer says in these words."""
    found = {}
    for document in gone:
        for item in document.items:
            if item.obj is not None:
                found[item.ref] = item.obj
            yield
    return found


def _hold_up(fresh: list[Document], last_good: Mapping[Ref, Resource]) -> Generator[None]:
    """Give unusable objects their last good version."""
    for document in fresh:
        if document.findings:
            for item in document.items:
                if item.obj is None:
                    item.obj = last_good.get(item.ref)
                yield


def _kept(
    documents: list[Document], last_good: Mapping[Ref, Resource]
) -> Generator[None, None, Document | None]:
    """Give what vanished from a file in which a faulty document may still mean it, as a document of its own."""
    nameless: set[str] = set()
    for document in documents:
        nameless |= document.nameless
        yield
    if not nameless or not last_good:
        return None
    named: set[Ref] = set()
    for document in documents:
        named.update(item.ref for item in document.items)
        yield
    items = []
    for ref, obj in last_good.items():
        if ref not in named and (ANY_KIND in nameless or ref.kind in nameless):
            items.append(Item(ref, obj))
        yield
    return Document(b"", documents[-1].line, tuple(items), number=len(documents) + 1) if items else None
