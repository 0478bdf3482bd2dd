"""Hosts whose paths are regular expressions (reference g.2, g.3)."""

from __future__ import annotations

import pytest

from tests.translate.objects import World, gone, ingress, path, rule, simple
from tidegate.findings import Effect
from tidegate.guard import regex


@pytest.mark.parametrize(
    ("annotations", "text", "is_regex"),
    [
        ({}, "/a", False),
        ({"use-regex": "true"}, "/a", True),
        ({"use-regex": "false"}, "/a", False),
        ({"rewrite-target": "/"}, "/a", True),
        ({"rewrite-target": "/a"}, "/a", False),
        ({"rewrite-target": "/$2"}, "/a(/|$)(.*)", True),
    ],
)
def test_what_makes_a_regex_host(annotations: dict[str, str], text: str, is_regex: bool) -> None:  # noqa: FBT001
    """g.2: use-regex, or a rewrite-target that is not the path itself."""
    world = World(simple(text=text, kind="ImplementationSpecific", annotations=annotations))
    assert world.host().regex is is_regex
    assert ("rewrite_target" in world.rules()["p" + text].settings) is (
        is_regex and "rewrite-target" in annotations
    )


def test_one_ingress_turns_the_host_for_all() -> None:
    """g.2: the paths of others become patterns too; when the one goes, they are plain again."""
    one = simple("one", text="/x", annotations={"use-regex": "true"})
    world = World(simple("plain", text="/a.b", kind="Exact"), one)
    assert world.host().regex
    assert set(world.rules()) == {"e/a.b", "p/x"}
    world.tell(gone(one))
    assert not world.host().regex


def test_one_that_lost_its_path_turns_nothing() -> None:
    """g.2 speaks of locations: a claim that lost is none."""
    world = World(
        simple("old", created="2020"), simple("new", created="2021", annotations={"use-regex": "true"})
    )
    assert not world.host().regex


def test_order() -> None:
    """g.2: longest first, then by text descending, in bytes, computed from the paths as they are written."""
    texts = ["/a", "/b", "/aa", "/ä", "/zzz", "/(.*)", "/"]
    paths = [path(text, kind="ImplementationSpecific") for text in texts]
    world = World(ingress("web", rule("shop.example", *paths), annotations={"use-regex": "true"}))
    expected = sorted(texts, key=lambda text: (len(text.encode()), text.encode()), reverse=True)
    assert (
        [one.path for one in world.host().rules]
        == expected
        == ["/(.*)", "/zzz", "/ä", "/aa", "/b", "/a", "/"]
    )


def test_both_types_of_one_path() -> None:
    """g.2: the type says nothing any more; the order of the two is fixed all the same."""
    paths = [path("/a", "prefix"), path("/a", "exact", kind="Exact")]
    world = World(ingress("web", rule("shop.example", *paths), annotations={"use-regex": "true"}))
    assert [one.kind for one in world.host().rules] == ["e", "p"]


@pytest.mark.parametrize("text", ["/(", "/a(b+)+c", "/[", r"/\1", "/" + "a" * 600])
def test_a_bad_pattern_of_ones_own_refuses_the_ingress(text: str) -> None:
    """Whoever asks for regular expressions has to write some; patterns that can explode are refused too (C7)."""
    for asked in ({"use-regex": "true"}, {"rewrite-target": "/$1"}):
        world = World(simple(text=text, kind="ImplementationSpecific", annotations=asked))
        assert world.finding("InvalidPath").effect is Effect.REFUSED
        assert world.keys("h/") == []


def test_a_plain_path_that_is_no_pattern_is_taken_literally() -> None:
    """On a host that another Ingress turned: it matches just itself, and a finding says so."""
    plain = ingress("plain", rule("shop.example", path("/a(b", kind="ImplementationSpecific"), path("/c.d")))
    turner = simple("turner", text="/x", annotations={"use-regex": "true"})
    world = World(plain)
    assert {one.path for one in world.host().rules} == {"/a(b", "/c.d"}
    world.tell(turner)
    assert {one.path for one in world.host().rules} == {r"/a\(b", "/c.d", "/x"}
    (route,) = (world.route(one.route) for one in world.host().rules if one.path == r"/a\(b")
    assert route.path == "/a(b"
    assert regex.Pattern(r"/a\(b").match("/a(bc") == ()
    finding = world.finding("NotRegex")
    assert (finding.effect, finding.object) == (Effect.WARNING, "Ingress shop/plain")
    assert finding.field == "spec.rules[0].http.paths[0]"
    world.tell(gone(turner))
    assert {one.path for one in world.host().rules} == {"/a(b", "/c.d"}
    assert "NotRegex" not in world.kinds()


def test_rewriting() -> None:
    """g.3: the target and the path as written travel as data; a target that is the path rewrites nothing."""
    paths = [path("/a(/|$)(.*)", kind="ImplementationSpecific"), path("/$2", kind="ImplementationSpecific")]
    world = World(ingress("web", rule("shop.example", *paths), annotations={"rewrite-target": "/$2"}))
    assert world.rules()["p/a(/|$)(.*)"].settings == {"rewrite_target": "/$2"}
    assert world.rules()["p/a(/|$)(.*)"].path == "/a(/|$)(.*)"
    assert world.rules()["p/$2"].settings == {}
