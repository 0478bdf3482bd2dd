"""Which Ingress objects are ours (reference g.7), and what becomes of them when that changes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.translate.objects import FOLDER, Fact, World, gone, load, simple
from tidegate.kube.selectors import Selector
from tidegate.translate import Options

CLUSTER = Options()


def class_object(name: str = "nginx", controller: str = "k8s.io/ingress-nginx") -> Fact:
    return load("IngressClass", name, None, spec={"controller": controller})


def annotated(value: str, **more: Any) -> Fact:
    ref, resource = simple(**more)
    fields = msgspec.to_builtins(resource)
    fields["metadata"]["annotations"] = {"kubernetes.io/ingress.class": value}
    return ref, msgspec.convert(fields, type(resource))


BY_NAME = msgspec.structs.replace(CLUSTER, ingress_class_by_name=True)
WITHOUT = msgspec.structs.replace(CLUSTER, watch_without_class=True)
PROD = msgspec.structs.replace(WITHOUT, watch_namespaces=Selector.parse("env=prod"))
NAMED = msgspec.structs.replace(
    WITHOUT, watch_namespaces=Selector.parse("kubernetes.io/metadata.name in (shop)")
)


def namespace(**labels: str) -> Fact:
    return load("Namespace", "shop", None, labels=labels)


FOREIGN = class_object(controller="example.com/other")

CASES: list[tuple[str, Options, list[Fact], bool]] = [
    ("selected namespace", PROD, [namespace(env="prod"), simple()], True),
    ("other namespace", PROD, [namespace(env="test"), simple()], False),
    ("namespace without an object", PROD, [simple()], False),
    ("every namespace has its name as a label", NAMED, [simple()], True),
    ("class with our controller", CLUSTER, [class_object(), simple(ingressClassName="nginx")], True),
    ("any name will do", CLUSTER, [class_object("web"), simple(ingressClassName="web")], True),
    ("class of another controller", CLUSTER, [FOREIGN, simple(ingressClassName="nginx")], False),
    ("class that does not exist", CLUSTER, [simple(ingressClassName="nginx")], False),
    ("by name", BY_NAME, [FOREIGN, simple(ingressClassName="nginx")], True),
    ("by name, but another", BY_NAME, [class_object("x", "y/z"), simple(ingressClassName="x")], False),
    ("by name, but missing", BY_NAME, [simple(ingressClassName="nginx")], False),
    ("annotation", CLUSTER, [annotated("nginx")], True),
    ("annotation, another class", CLUSTER, [annotated("other")], False),
    ("empty annotation", WITHOUT, [annotated("")], False),
    ("class name beats annotation", CLUSTER, [annotated("nginx", ingressClassName="nginx")], False),
    ("neither", CLUSTER, [simple()], False),
    ("neither, but watched", WITHOUT, [simple()], True),
    ("folder without class objects", FOLDER, [simple(ingressClassName="nginx")], True),
    ("folder, another class", FOLDER, [simple(ingressClassName="other")], False),
    (
        "folder with a class object",
        FOLDER,
        [class_object("other", "x/y"), simple(ingressClassName="nginx")],
        False,
    ),
    ("folder, neither", FOLDER, [simple()], True),
]


@pytest.mark.parametrize(
    ("options", "facts", "ours"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_selection(options: Options, facts: list[Fact], ours: bool) -> None:  # noqa: FBT001
    """g.7, case by case, and in whatever order the objects come."""
    for order in (facts, facts[::-1]):
        world = World(*order, options=options)
        assert (world.keys("h/") != []) is ours


def test_a_class_that_comes_later_enables_its_ingresses() -> None:
    """At once, where upstream waits for a change of each (g.7 calls that bug-ish); and it disables them when it goes."""
    web = simple(ingressClassName="nginx")
    world = World(web, options=CLUSTER)
    assert world.keys("h/") == []
    changes = world.tell(class_object())
    assert "h/main/shop.example" in changes
    world.tell(FOREIGN)
    assert world.keys("h/") == world.keys("r/") == world.keys("b/") == world.keys("o/Ingress/") == []
    world.tell(class_object())
    assert world.keys("h/") == ["h/main/shop.example"]
    world.tell(gone(class_object()))
    assert world.keys("h/") == []


def test_in_a_folder_an_ingress_of_another_class_is_told_about() -> None:
    """In a cluster it is somebody else's business."""
    other = simple(ingressClassName="other")
    assert World(other).finding("NotOurs").value == "other"
    assert World(other, options=CLUSTER).findings == {}


def test_a_namespace_that_gets_the_label_brings_its_objects() -> None:
    """And takes them away when it loses it."""
    world = World(simple(), options=PROD)
    for labels, there in (({}, False), ({"env": "prod"}, True), ({"env": "test"}, False)):
        world.tell(namespace(**labels))
        assert (world.keys("h/") != []) is there
