"""Path types, hosts, and what makes an Ingress refused (reference g.1, g.4)."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import msgspec
import pytest

from tests.translate.objects import FOLDER, World, backed, ingress, load, path, rule, simple
from tidegate.findings import Effect
from tidegate.kube.objects import Ref
from tidegate.translate import Options


@pytest.mark.parametrize(
    ("kind", "text", "key"),
    [
        ("Exact", "/p", "e/p"),
        ("Prefix", "/p", "p/p"),
        ("Prefix", "/p/", "p/p/"),
        ("ImplementationSpecific", "/p", "p/p"),
        (None, "/p", "p/p"),
        (None, None, "p/"),
        ("ImplementationSpecific", None, "p/"),
        ("ImplementationSpecific", "/a b", "p/a b"),
        (None, "/a(b)?", "p/a(b)?"),
    ],
)
def test_path_types(kind: str | None, text: str | None, key: str) -> None:
    """g.1: a missing type and ImplementationSpecific are Prefix; an empty path is the root."""
    world = World(ingress("web", rule("shop.example", path(text, kind=kind))))
    assert list(world.rules()) == [key]
    assert world.rules()[key].path == key[1:]


def test_one_path_with_both_types() -> None:
    """g.1: Exact and Prefix of one path stand side by side."""
    world = World(
        ingress(
            "web",
            rule("shop.example", path("/p", "exact", kind="Exact"), path("/p", "prefix", kind="Prefix")),
        )
    )
    assert {key: route.service for key, route in world.rules().items()} == {"e/p": "exact", "p/p": "prefix"}
    assert world.findings == {} or "PathConflict" not in world.kinds()


@pytest.mark.parametrize(
    ("text", "name"), [("Shop.EXAMPLE", "shop.example"), ("*.Example", "*.example"), ("", "_"), (None, "_")]
)
def test_hosts(text: str | None, name: str) -> None:
    """g.4: hosts are folded to lower case; a rule without host is for any."""
    assert World(ingress("web", rule(text, path()))).keys("h/") == [f"h/main/{name}"]


def test_a_host_without_paths_exists() -> None:
    """g.4: everything on it goes to the default backend; without host as well, the rule says nothing."""
    world = World(ingress("web", rule("shop.example"), rule(None)))
    assert world.keys("h/") == ["h/main/shop.example"]
    assert world.rules() == {}


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("InvalidHost", rule("a..b", path())),
    ("InvalidHost", rule("10.0.0.1", path())),
    ("InvalidHost", rule("x.example;", path())),
    ("InvalidHost", rule("bad_host")),
    ("InvalidPath", rule("h", path("relative", kind=None))),
    ("InvalidPath", rule("h", path("/a\nb", kind=None))),
    ("InvalidPath", rule("h", path("/a\x00", kind=None))),
    ("InvalidPath", rule("h", path("/" + "a" * 4096, kind=None))),
    ("InvalidPath", rule("h", path("/a(b)", kind="Prefix"))),
    ("InvalidPath", rule("h", path("/a b", kind="Exact"))),
    ("InvalidPath", rule("h", path("/a//b", kind="Exact"))),
    ("InvalidPath", rule("h", path("/x alias /etc/passwd;", kind=None))),
    ("InvalidPath", rule("h", path("/_by_lua", kind="Prefix"))),
    ("InvalidPathType", rule("h", path("/", kind="Regex"))),
    ("InvalidBackend", rule("h", path("/", service="a/b"))),
    ("InvalidBackend", rule("h", path("/", service=""))),
    ("InvalidBackend", rule("h", path("/", port=None))),
    ("InvalidBackend", rule("h", path("/", port=0))),
    ("InvalidBackend", rule("h", path("/", port=65536))),
    ("InvalidBackend", rule("h", path("/", port="Not A Port"))),
    ("InvalidBackend", rule("h", {"path": "/", "backend": {}})),
    ("InvalidBackend", rule("h", {"path": "/", "backend": {"service": {"name": "w", "port": {"name": "a", "number": 1}}}})),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "bad"), REFUSED)
def test_refused(kind: str, bad: dict[str, Any]) -> None:
    """A rule that no API server would take, or that is not safe, refuses the whole Ingress, with the field named."""
    world = World(ingress("web", rule("good.example", path()), bad))
    assert world.keys("h/") == world.keys("o/") == []
    finding = world.finding(kind)
    assert finding.effect is Effect.REFUSED
    assert finding.field.startswith("spec.rules[1].")
    assert finding.accepted
    assert len(finding.value) <= 200
    assert finding.value.isprintable()


def test_all_faults_are_told_at_once() -> None:
    """Whoever mends an Ingress wants to do it once."""
    world = World(
        ingress("web", rule("a..b", path()), rule("h", path("x", kind=None)), rule("h", path("/", port=0)))
    )
    assert world.kinds() == {"InvalidHost", "InvalidPath", "InvalidBackend"}


@pytest.mark.parametrize("name", ["../web", "Web", "a/b", ""])
def test_names_that_no_object_can_have(name: str) -> None:
    """Names become part of keys: what is no name is refused."""
    world = World(simple(name))
    assert world.keys("h/") == []
    assert world.finding("InvalidName").effect is Effect.REFUSED


def test_strictness_is_a_choice() -> None:
    """ConfigMap key strict-validate-path-type: "false" lets other characters into Exact and Prefix paths."""
    options = msgspec.structs.replace(FOLDER, configmap="shop/config")
    web = ingress("web", rule("shop.example", path("/a(b)", kind="Prefix")))
    world = World(web, options=options)
    assert world.keys("h/") == []
    loose = load("ConfigMap", "config", data={"strict-validate-path-type": "false"})
    world.tell(loose)
    assert list(world.rules()) == ["p/a(b)"]
    world.tell((loose[0], None))
    assert world.keys("h/") == [], "a stricter policy is meant: last good versions have to pass it too"


def test_deep_inspection_is_a_choice() -> None:
    """Flag --deep-inspect=false."""
    web = ingress("web", rule("shop.example", path("/_by_lua", kind="Prefix")))
    world = World(web, options=msgspec.structs.replace(FOLDER, deep_inspect=False))
    assert list(world.rules()) == ["p/_by_lua"]


def test_backends_of_other_kinds_go_to_the_default_backend() -> None:
    """g.13: ``resource`` backends are ignored; the path still counts."""
    other = {"path": "/x", "pathType": "Prefix", "backend": {"resource": {"kind": "Bucket", "name": "b"}}}
    web = ingress("web", rule("shop.example", other, path("/")))
    world = World(web)
    assert world.rules()["p/x"].backend == ""
    assert world.finding("ResourceBackend").field == "spec.rules[0].http.paths[0].backend.resource"
    world = World(
        web,
        backed("fallback"),
        options=msgspec.structs.replace(FOLDER, default_backend_service="shop/fallback"),
    )
    assert world.rules()["p/x"].backend == "shop/fallback/80"


def test_the_same_path_twice_in_one_ingress() -> None:
    """The first one counts; the second is told about."""
    world = World(
        ingress("web", rule("shop.example", path("/", "one")), rule("shop.example", path("/", "two")))
    )
    assert world.rules()["p/"].service == "one"
    finding = world.finding("PathConflict")
    assert (finding.effect, finding.field) == (Effect.IGNORED, "spec.rules[1].http.paths[0]")


def test_route_ids_do_not_collide() -> None:
    """Two paths of one Ingress whose checksums are equal have two routes, the same ones in any order."""
    one, two = _colliding()
    world = World(ingress("web", rule("h", path(one, "one"), path(two, "two"))))
    ids = {key: world.host("h").rules[at].route for at, key in enumerate(world.rules("h"))}
    assert len(set(ids.values())) == 2
    assert {key: route.service for key, route in world.rules("h").items()} == {
        f"p{one}": "one",
        f"p{two}": "two",
    }
    turned = World(ingress("web", rule("h", path(two, "two"), path(one, "one"))))
    assert {key: turned.host("h").rules[at].route for at, key in enumerate(turned.rules("h"))} == ids
    world.tell(ingress("web", rule("h", path(two, "two"))))
    assert [route.service for route in world.rules("h").values()] == ["two"]
    assert len(world.keys("r/")) == 1
    assert world.host("h").rules == World(ingress("web", rule("h", path(two, "two")))).host("h").rules


def _colliding() -> tuple[str, str]:
    seen: dict[int, str] = {}
    for number in range(1_000_000):
        text = f"/{number * 0x9E3779B97F4A7C15 % 2**64:016x}"
        other = seen.setdefault(crc32(f"hp{text}".encode()), text)
        if other != text:
            return other, text
    raise AssertionError("no two paths collide")


def test_only_one_namespace() -> None:
    """Flag --watch-namespace: Ingress objects elsewhere are not ours."""
    options = Options(watch_without_class=True, watch_namespace="desk")
    world = World(simple(), simple(namespace="desk", host="desk.example"), options=options)
    assert world.keys("h/") == ["h/main/desk.example"]
    assert Ref("Ingress", "shop", "web") not in world.findings
