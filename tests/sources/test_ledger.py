"""The ledger alone: whatever the order of readings, what is in force is what a fresh listing would say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from tidegate.findings import Effect, Finding
from tidegate.kube.objects import Metadata, Namespace, Ref
from tidegate.sources import Batch
from tidegate.sources._ledger import Ledger
from tidegate.sources._reading import Document, Item
from tidegate.sources._steps import finish

BROKEN = Finding(Effect.REFUSED, "Broken", "", "", "", "")


def document(objects: Mapping[str, str | None], *, nameless: bool = False, line: int = 1) -> Document:
    """Give a document of namespaces with a label; None is one that cannot be used."""
    items = tuple(
        Item(
            Ref("Namespace", "", name),
            None if value is None else Namespace(Metadata(name, labels={"v": value})),
            i,
        )
        for i, (name, value) in enumerate(objects.items())
    )
    faulty = nameless or None in objects.values()
    return Document(b"", line, items, (BROKEN,) if faulty else (), frozenset([""] if nameless else []))


@dataclass
class World:
    """A ledger beside the files that were put into it, and the state that its batches describe."""

    ledger: Ledger = field(default_factory=Ledger)
    files: dict[str, list[Document]] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)
    findings: dict[str, tuple[Finding, ...]] = field(default_factory=dict)

    def put(self, path: str, *documents: Document) -> None:
        self.files[path] = list(documents)
        finish(self.ledger.put(path, list(documents)))

    def drop(self, path: str) -> None:
        self.files.pop(path, None)
        finish(self.ledger.drop(path))

    def take(self) -> Batch:
        return self.see(finish(self.ledger.take()))

    def transaction(self, path: str, documents: list[Document]) -> Iterator[None]:
        """Put a file and take what changed, a step at a time."""
        self.files[path] = list(documents)
        yield from self.ledger.put(path, list(documents))
        self.see((yield from self.ledger.take()))

    def overtake(self, files: dict[str, list[Document]]) -> None:
        """Let files overtake, if they may; else they are put in their turn, which is never here."""
        batch = self.ledger.overtake({path: list(documents) for path, documents in files.items()})
        if batch is not None:
            self.files |= files
            self.see(batch)

    def see(self, batch: Batch) -> Batch:
        for change in batch.changes:
            if change.obj is None:
                del self.objects[change.ref.name]
            else:
                assert change.obj.metadata.labels is not None
                assert self.objects.get(change.ref.name) != change.obj.metadata.labels["v"]
                self.objects[change.ref.name] = change.obj.metadata.labels["v"]
        self.findings |= batch.findings_by_file
        self.findings = {k: v for k, v in self.findings.items() if v}
        return batch


def test_a_bad_first_claim_leaves_the_name_to_the_second() -> None:
    """Until it is usable for the first time; from then on its last good version counts."""
    world = World()
    world.put("a", document({"x": None}))
    world.put("b", document({"x": "b"}))
    world.take()
    assert world.objects == {"x": "b"}
    world.put("a", document({"x": "a"}))
    world.take()
    assert world.objects == {"x": "a"}
    world.put("a", document({"x": None}))
    world.take()
    assert world.objects == {"x": "a"}
    world.drop("a")
    world.take()
    assert world.objects == {"x": "b"}


def test_a_nameless_fault_keeps_what_vanished_until_it_is_mended() -> None:
    world = World()
    world.put("a", document({"x": "1"}), document({"y": "1"}))
    world.put("a", document({"x": "2"}), document({}, nameless=True))
    world.put("a", document({}, nameless=True))
    world.take()
    assert world.objects == {"x": "2", "y": "1"}
    world.put("a", document({"z": "1"}))
    world.take()
    assert world.objects == {"z": "1"}


def test_a_fault_of_the_file_keeps_everything() -> None:
    world = World()
    world.put("a", document({"x": "1"}))
    world.take()
    world.ledger.fail("a", BROKEN)
    assert world.take().findings_by_file == {"a": (BROKEN,)}
    assert world.objects == {"x": "1"}
    world.ledger.fail("a", BROKEN)
    assert world.take() == Batch()


def test_what_changes_and_changes_back_is_not_told() -> None:
    world = World()
    world.put("a", document({"x": "1"}))
    world.take()
    world.put("a", document({"x": "2"}))
    world.put("a", document({"y": "2"}))
    world.put("a", document({"x": "1"}))
    assert world.take() == Batch()


PATHS = st.sampled_from("abc")
DOCUMENTS = st.lists(
    st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12"), max_size=3).map(document), max_size=3
)


@st.composite
def operations(draw: st.DrawFn) -> list[tuple[str, list[Document] | None, bool]]:
    """File, its documents (None: gone), and whether the batch is taken after."""
    return draw(st.lists(st.tuples(PATHS, st.none() | DOCUMENTS, st.booleans()), max_size=12))


@given(operations())
def test_the_state_is_that_of_a_fresh_listing(steps: list[tuple[str, list[Document] | None, bool]]) -> None:
    """Objects and findings, if all documents are good; and no change is told that is none."""
    world, fresh = World(), World()
    for path, documents, take in steps:
        if documents is None:
            world.drop(path)
        else:
            world.put(path, *(copy(d) for d in documents))
        if take:
            world.take()
    world.take()
    for path, kept in world.files.items():
        fresh.put(path, *(copy(d) for d in kept))
    fresh.take()
    assert world.objects == fresh.objects
    assert world.findings == fresh.findings


def copy(d: Document) -> Document:
    return Document(
        d.digest, d.line, tuple(Item(i.ref, i.obj, i.index) for i in d.items), d.findings, d.nameless
    )


@given(
    st.dictionaries(PATHS, DOCUMENTS),
    st.tuples(PATHS, DOCUMENTS),
    st.dictionaries(st.sampled_from("de"), DOCUMENTS, min_size=1),
    st.integers(0, 40),
)
def test_what_overtakes_leaves_the_state_of_a_fresh_listing(
    before: dict[str, list[Document]],
    large: tuple[str, list[Document]],
    small: dict[str, list[Document]],
    steps: int,
) -> None:
    """Wherever the other work stands; and both batches tell exactly what changed, in the order in which they are given."""
    world, fresh = World(), World()
    for path, documents in before.items():
        world.put(path, *(copy(d) for d in documents))
    world.take()
    work = world.transaction(large[0], [copy(d) for d in large[1]])
    for _, _ in zip(range(steps), work, strict=False):
        pass
    world.overtake({path: [copy(d) for d in documents] for path, documents in small.items()})
    for _ in work:
        pass
    for path, kept in world.files.items():
        fresh.put(path, *(copy(d) for d in kept))
    fresh.take()
    assert world.objects == fresh.objects
    assert world.findings == fresh.findings


def test_another_file_overtakes_in_the_middle_of_a_large_one() -> None:
    world = World()
    world.put("a", *(document({f"x{n}": "1"}) for n in range(9)))
    world.put("s", document({"s": "1"}))
    world.take()
    work = world.transaction("a", [document({f"x{n}": "2"}) for n in range(9)])
    for _ in range(30):
        next(work)
    world.overtake({"s": [document({"s": "2"})]})
    assert world.objects == {**{f"x{n}": "1" for n in range(9)}, "s": "2"}
    for _ in work:
        pass
    assert world.objects == {**{f"x{n}": "2" for n in range(9)}, "s": "2"}


def test_a_name_that_both_files_hold_does_not_overtake() -> None:
    """Which of them counts is only known once the other file is taken as a whole."""
    world = World()
    world.put("a", document({"x": "1"}), document({"y": "1"}))
    world.take()
    work = world.transaction("a", [document({"x": "2"}), document({"y": "2"})])
    next(work)
    assert world.ledger.overtake({"s": [document({"x": "s"})]}) is None
