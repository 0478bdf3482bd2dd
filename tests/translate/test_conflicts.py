"""Who wins where several Ingress objects want the same (reference g.5, g.6)."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.translate.objects import FOLDER, Fact, World, backed, gone, ingress, path, rule, service, simple
from tidegate.findings import Effect
from tidegate.kube.objects import Ref


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        ({"name": "a", "created": "2021"}, {"name": "b", "created": "2020"}, "b"),
        ({"name": "a", "created": "2020"}, {"name": "b", "created": "2021"}, "a"),
        ({"name": "a", "created": "2020"}, {"name": "b", "created": "2020"}, "b"),
        ({"name": "a"}, {"name": "b", "created": "1990"}, "a"),
        ({"name": "a"}, {"name": "b"}, "b"),
        ({"name": "a"}, {"name": "ab"}, "ab"),
        ({"name": "a-b"}, {"name": "a"}, "a-b"),
        ({"name": "z", "namespace": "desk"}, {"name": "a", "namespace": "shop"}, "a"),
        (
            {"name": "a", "created": "2020-01-01T02:00:00+02:00"},
            {"name": "b", "created": "2020-01-01T00:30:00Z"},
            "a",
        ),
        ({"name": "a", "created": "nonsense"}, {"name": "b", "created": "2020"}, "a"),
    ],
)
def test_first_wins(first: dict[str, str], second: dict[str, str], winner: str) -> None:
    """g.6: the oldest; of equal ages the last by namespace/name; a missing time counts as the oldest."""
    facts = [simple(**first), simple(**second)]
    for order in (facts, facts[::-1]):
        world = World(*order)
        assert world.rules()["p/"].ingress == winner
        finding = world.finding("PathConflict")
        loser = ({first["name"], second["name"]} - {winner}).pop()
        assert finding.object.endswith(f"/{loser}")
        assert finding.effect is Effect.IGNORED
        assert finding.field == "spec.rules[0].http.paths[0]"
        assert winner in finding.message


def test_other_paths_merge() -> None:
    """g.6: different paths, or types, of one host merge, across namespaces too."""
    world = World(
        simple("a", text="/a"), simple("b", text="/b"), simple("c", text="/a", kind="Exact"),
        simple("d", text="/d", namespace="desk"),
    )  # fmt: skip
    assert {key: route.ingress for key, route in world.rules().items()} == {
        "p/a": "a",
        "p/b": "b",
        "e/a": "c",
        "p/d": "d",
    }
    assert world.rules()["p/d"].backend == "desk/web/80"


def test_the_next_one_takes_over() -> None:
    """When the winner goes, the path is the next one's, and the finding is gone."""
    old, new = simple("old", created="2020"), simple("new", created="2021")
    world = World(old, new)
    world.tell(gone(old))
    assert world.rules()["p/"].ingress == "new"
    assert world.findings[Ref("Ingress", "shop", "new")] == world.findings.get(
        Ref("Ingress", "shop", "old"), ()
    ) or ("PathConflict" not in world.kinds())


def test_a_finding_follows_its_path() -> None:
    """A path that moved inside its manifest is found where it is now."""
    world = World(
        simple("old", text="/x", created="2020"),
        ingress("new", rule("shop.example", path("/x")), created="2021"),
    )
    assert world.finding("PathConflict").field == "spec.rules[0].http.paths[0]"
    world.tell(
        ingress("new", rule("other.example"), rule("shop.example", path("/a"), path("/x")), created="2021")
    )
    assert world.finding("PathConflict").field == "spec.rules[1].http.paths[1]"


CLAIMS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "ab", "c"]),
        st.sampled_from(["shop", "desk"]),
        st.sampled_from(["2020", "2021", None]),
        st.sampled_from(["/", "/x"]),
        st.sampled_from([{}, {"canary": "true"}, {"use-regex": "true"}]),
        st.sampled_from(["web", "app"]),
    ),
    min_size=2,
    max_size=5,
    unique_by=lambda claim: claim[:2],
)


@settings(max_examples=60, deadline=None)
@given(CLAIMS)
def test_order_does_not_matter(claims: list[tuple[str, str, str | None, str, dict[str, str], str]]) -> None:
    """The same objects give the same entries and findings in every order of their coming."""
    facts = [
        simple(
            name, text=text, namespace=namespace, created=created, annotations=annotations, service=backend
        )
        for name, namespace, created, text, annotations, backend in claims
    ]
    outcomes = [_outcome(order) for order in itertools.islice(itertools.permutations(facts), 24)]
    assert all(outcome == outcomes[0] for outcome in outcomes)


def _outcome(facts: tuple[Fact, ...]) -> tuple[object, object]:
    world = World(options=FOLDER)
    for fact in facts:
        world.tell(fact)
    return dict(world.translator.entries), {ref: found for ref, found in world.findings.items() if found}


# --- default backends -------------------------------------------------------------------------------------------------


def default(service: str = "web") -> dict[str, object]:
    return {"service": {"name": service, "port": {"number": 80}}}


def test_an_ingress_without_rules_takes_all_else() -> None:
    """g.5: the oldest one becomes the fallback of any host; its redirects and rewrites do not count there."""
    annotations = {"ssl-redirect": "false", "permanent-redirect": "http://x.example", "rewrite-target": "/z"}
    world = World(
        ingress("new", defaultBackend=default("new"), created="2021"),
        ingress("old", defaultBackend=default("old"), created="2020", annotations=annotations | {"proxy-read-timeout": "7"}),
    )  # fmt: skip
    fallback = world.fallback()
    assert fallback is not None
    assert (fallback.ingress, fallback.backend, fallback.settings) == (
        "old",
        "shop/old/80",
        {"read_timeout": 7},
    )
    assert world.finding("PathConflict").object == "Ingress shop/new"


def test_an_ingress_with_rules_uses_its_own_for_the_hosts_it_made() -> None:
    """g.5: not for hosts that an older Ingress made, and not for any host. Its protections hold there too."""
    mine = ingress(
        "mine", rule("a.example", path("/x")), rule("b.example", path("/x")), rule(None, path("/y")),
        defaultBackend=default(), created="2021", annotations={"whitelist-source-range": "10.0.0.0/8"},
    )  # fmt: skip
    older = simple("older", "b.example", "/z", created="2020")
    world = World(mine, older)
    own = world.fallback("a.example")
    assert own is not None
    assert (own.ingress, own.backend, own.settings) == ("mine", "shop/web/80", {"allow": ["10.0.0.0/8"]})
    assert world.fallback("b.example") is None
    assert world.fallback("_") is None
    world.tell(gone(older))
    assert world.fallback("b.example") is not None


def test_the_default_backend_service_comes_last() -> None:
    """g.5: its first port takes what no Ingress takes; without endpoints the built-in one answers."""
    options = msgspec.structs.replace(FOLDER, default_backend_service="desk/fallback")
    world = World(options=options)
    assert world.keys("h/") == []
    ports = [{"port": 8000}, {"port": 80}]
    slices = backed("fallback")[1]
    resource = slices[1]
    assert resource is not None
    moved = msgspec.structs.replace(
        resource, metadata=msgspec.structs.replace(resource.metadata, namespace="desk")
    )
    world.tell(service("fallback", *ports, namespace="desk"))
    assert world.keys("h/") == []
    world.tell((moved.ref, moved))
    fallback = world.fallback()
    assert fallback is not None
    assert (fallback.backend, fallback.ingress, fallback.service) == ("desk/fallback/8000", "", "fallback")
    all_else = ingress("all", defaultBackend=default())
    world.tell(all_else)
    taken = world.fallback()
    assert taken is not None
    assert taken.backend == "shop/web/80"
    world.tell(gone(all_else))
    assert world.fallback() == fallback
    world.tell((moved.ref, None))
    assert world.keys("h/") == world.keys("r/") == []
    # Still there for error pages.
    assert world.keys("b/") == ["b/desk/fallback/*"]


def test_catch_all_may_be_forbidden() -> None:
    """Flag --disable-catch-all."""
    options = msgspec.structs.replace(FOLDER, disable_catch_all=True)
    world = World(
        ingress("all", defaultBackend=default()), simple("ruled", defaultBackend=default()), options=options
    )
    assert world.keys("h/") == ["h/main/shop.example"]
    assert world.finding("CatchAllDisabled").object == "Ingress shop/all"
