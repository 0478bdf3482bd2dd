"""Objects of an earlier run stand for as long as the source cannot tell what became of them."""

from tidegate.app._earlier import Earlier
from tidegate.findings import Effect, Finding
from tidegate.kube.objects import Ingress, Metadata, Ref, Resource
from tidegate.sources import Batch, Change

A, B = Ref("Ingress", "ns", "a"), Ref("Ingress", "ns", "b")
FAULT = Finding(Effect.REFUSED, "NotYaml", "", "", "", "YAML", file="x.yaml")


def ingress(name: str) -> Ingress:
    return Ingress(metadata=Metadata(name=name, namespace="ns"))


KEPT: dict[Ref, Resource] = {A: ingress("a"), B: ingress("b")}


def test_what_the_listing_lacks_is_gone() -> None:
    assert Earlier(KEPT).of(Batch(initial=True)) == []


def test_what_exists_but_cannot_be_used_stands() -> None:
    assert Earlier(KEPT).of(Batch(initial=True, held=frozenset({A}))) == [(A, KEPT[A])]


def test_what_may_stand_in_a_file_that_cannot_be_read_stands_until_it_is_read() -> None:
    earlier = Earlier(KEPT)
    told = Batch((Change(A, ingress("a")),), initial=True, unread=frozenset({"x.yaml"}))
    assert earlier.of(told) == [(B, KEPT[B])]
    assert earlier.of(Batch(findings_by_file={"x.yaml": (FAULT,)}, unread=frozenset({"x.yaml"}))) == []
    assert earlier.of(Batch(findings_by_file={"x.yaml": ()})) == [(B, None)]
    assert earlier.of(Batch(findings_by_file={"x.yaml": ()})) == []


def test_what_the_source_tells_later_is_the_sources() -> None:
    earlier = Earlier(KEPT)
    earlier.of(Batch(initial=True, unread=frozenset({"x.yaml"})))
    changes = (Change(A, ingress("a")), Change(B, ingress("b")))
    assert earlier.of(Batch(changes, findings_by_file={"x.yaml": ()})) == []
