"""The store: objects by name, slices by Service, and which facts a change touches."""

from __future__ import annotations

import msgspec

from tidegate.kube.objects import KINDS, Ref, Resource
from tidegate.store import Readers, Store, View, answer_for, every, slices_of

INGRESS = Ref("Ingress", "shop", "web")
CLASS = Ref("IngressClass", "", "nginx")


def load(ref: Ref, **fields: object) -> Resource:
    metadata = {"name": ref.name, "namespace": ref.namespace or None, **fields}
    return msgspec.convert({"metadata": metadata}, KINDS[ref.kind])


def slice_of(service: str, name: str = "s") -> tuple[Ref, Resource]:
    ref = Ref("EndpointSlice", "shop", name)
    return ref, load(ref, labels={"kubernetes.io/service-name": service})


def test_objects_come_change_and_go() -> None:
    """The store holds the last version, and names the fact that changed."""
    store = Store()
    first, second = load(INGRESS, generation=1), load(INGRESS, generation=2)
    assert store.put(INGRESS, first) == {INGRESS}
    assert store.put(INGRESS, load(INGRESS, generation=1)) == set()
    assert store.put(INGRESS, second) == {INGRESS}
    assert store.get(INGRESS) == second
    assert store.put(INGRESS, None) == {INGRESS}
    assert store.put(INGRESS, None) == set()
    assert store.get(INGRESS) is None
    assert list(store.refs("Ingress")) == []
    assert len(store) == 0


def test_slices_belong_to_their_service() -> None:
    """A change of a slice is a change of its Service's slices; one that changes sides changes both."""
    store = Store()
    ref, one = slice_of("one")
    assert store.put(ref, one) == {slices_of("shop", "one")}
    assert store.put(*slice_of("one", "r")) == {slices_of("shop", "one")}
    assert [item.metadata.name for item in store.slices("shop", "one")] == ["r", "s"]
    assert store.put(*slice_of("two")) == {slices_of("shop", "one"), slices_of("shop", "two")}
    assert [item.metadata.name for item in store.slices("shop", "one")] == ["r"]
    assert store.slices("desk", "two") == ()
    assert store.put(ref, None) == {slices_of("shop", "two")}


def test_a_class_changes_the_set_of_classes() -> None:
    """Who asked whether there is any class is concerned by each."""
    assert Store().put(CLASS, load(CLASS)) == {CLASS, every("IngressClass")}


def test_answers_of_dns_are_facts_like_others() -> None:
    """A new answer touches its name, the same one nothing."""
    store = Store()
    assert store.put_addresses("db", ("10.0.0.1",)) == {answer_for("db")}
    assert store.put_addresses("db", ("10.0.0.1",)) == set()
    assert store.addresses("db") == ("10.0.0.1",)
    assert store.put_addresses("db", None) == {answer_for("db")}
    assert store.put_addresses("db", None) == set()


def test_a_view_notes_what_was_looked_at() -> None:
    """Also what was not there, for it may come."""
    store = Store()
    store.put(CLASS, load(CLASS))
    view = View(store)
    assert view.ingress_class("nginx") == load(CLASS)
    assert view.ingress_class("other") is None
    assert view.service("shop", "web") is None
    assert view.slices("shop", "web") == ()
    assert view.endpoints("shop", "web") is None
    assert view.secret("shop", "tls") is None
    assert view.configmap("shop", "config") is None
    assert view.has_any("IngressClass")
    assert not view.has_any("Namespace")
    assert view.addresses("db") is None
    assert view.seen == {
        CLASS, Ref("IngressClass", "", "other"), Ref("Service", "shop", "web"), slices_of("shop", "web"),
        Ref("Endpoints", "shop", "web"), Ref("Secret", "shop", "tls"), Ref("ConfigMap", "shop", "config"),
        every("IngressClass"), every("Namespace"), answer_for("db"),
    }  # fmt: skip


def test_readers_are_found_by_fact() -> None:
    """Each fact knows who looked at it last time, and nobody else."""
    readers: Readers[str] = Readers()
    a, b, c = (Ref("Secret", "shop", name) for name in "abc")
    readers.set("one", {a, b})
    readers.set("two", {b, c})
    readers.set("three", {b})
    assert sorted(readers.of(b)) == ["one", "three", "two"]
    assert readers.of(a) == ("one",)
    readers.set("one", {c})
    assert readers.of(a) == ()
    assert sorted(readers.of(c)) == ["one", "two"]
    assert readers.facts_of("one") == {c}
    for reader in ("one", "two", "three", "four"):
        readers.drop(reader)
    assert all(readers.of(fact) == () for fact in (a, b, c))
    assert readers.facts_of("one") == frozenset()
