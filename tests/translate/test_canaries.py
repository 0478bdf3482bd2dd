"""Canaries (reference g.11)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translate.objects import Fact, World, gone, ingress, path, rule, simple
from tidegate.findings import Effect
from tidegate.model import Canary


def canary(
    name: str = "canary", service: str = "next", host: str = "shop.example", text: str = "/", **more: Any
) -> Fact:
    annotations = {"canary": "true", "canary-weight": "10"} | more.pop("annotations", {})
    return simple(
        name, host, text, service, annotations=annotations, created=more.pop("created", "2022"), **more
    )


HEADER = {"canary-by-header": "X"}
MAIN = simple("main", created="2020")


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, {"weight": 10}),
        ({"canary-weight": "0"}, {}),
        ({"canary-weight": "30", "canary-weight-total": "1000"}, {"weight": 30, "total": 1000}),
        ({"canary-weight": "30", "canary-weight-total": "50"}, {"weight": 30, "total": 100}),
        ({"canary-weight": "300"}, {"weight": 100}),
        ({"canary-weight": "-5"}, {}),
        ({"canary-weight": "x"}, {}),
        ({"canary-by-header": "X-Canary"}, {"weight": 10, "header": "X-Canary"}),
        (HEADER | {"canary-by-header-value": "yes"}, {"weight": 10, "header": "X", "header_value": "yes"}),
        (HEADER | {"canary-by-header-pattern": "^a+$"}, {"weight": 10, "header": "X", "header_pattern": "^a+$"}),
        (
            HEADER | {"canary-by-header-pattern": "a", "canary-by-header-value": "b"},
            {"weight": 10, "header": "X", "header_value": "b"},
        ),
        ({"canary-by-header": "X", "canary-by-header-pattern": "(a+)+"}, {"weight": 10, "header": "X"}),
        ({"canary-by-header": "X:Y"}, {"weight": 10}),
        ({"canary-by-cookie": "canary"}, {"weight": 10, "cookie": "canary"}),
        ({"canary-by-cookie": "a/b"}, {"weight": 10}),
    ],
)  # fmt: skip
def test_policy(annotations: dict[str, str], expected: dict[str, Any]) -> None:
    """a.8: what the annotations say about when a request goes to the canary; invalid ones are as if absent."""
    world = World(MAIN, canary(annotations=annotations))
    assert world.backend().canary == Canary(backend="shop/next/80", **expected)


def test_a_canary_adds_no_host_and_no_route() -> None:
    """g.11: it stands beside what the main Ingress has, with the main one's settings."""
    world = World(
        MAIN, canary(annotations={"proxy-read-timeout": "7", "proxy-body-size": "9m", "auth-url": "http://x"})
    )
    assert list(world.rules()) == ["p/"]
    assert world.rules()["p/"].settings == {}
    assert not world.rules()["p/"].deny
    assert world.translator.profiles == {}
    assert world.keys("b/") == ["b/shop/next/80", "b/shop/web/80"]


@pytest.mark.parametrize(
    "other",
    [canary(host="other.example"), canary(text="/x"), canary(kind="Exact"), canary(host="*.example")],
)
def test_a_canary_needs_the_same_host_path_and_type(other: Fact) -> None:
    """g.11: else it stands beside nothing, and a finding says so; no host comes of it."""
    world = World(MAIN, other)
    assert world.backend().canary is None
    assert world.keys("h/") == ["h/main/shop.example"]
    finding = world.finding("CanaryUnmatched")
    assert (finding.effect, finding.object) == (Effect.IGNORED, "Ingress shop/canary")


def test_without_a_main_ingress_nothing_is_served() -> None:
    """g.11; and the canary takes its place when the main Ingress comes."""
    world = World(canary())
    assert world.keys("h/") == world.keys("r/") == []
    world.tell(MAIN)
    assert world.backend().canary is not None
    assert "CanaryUnmatched" not in world.kinds()
    world.tell(gone(MAIN))
    assert world.keys("h/") == world.keys("r/") == []
    assert world.kinds() >= {"CanaryUnmatched"}


def test_only_the_first_canary_of_a_backend_counts() -> None:
    """g.11: one canary for each backend; the others are told about."""
    first, second = canary("first", "one", created="2021"), canary("second", "two", created="2022")
    world = World(MAIN, second, first)
    assert world.backend().canary == Canary(backend="shop/one/80", weight=10)
    assert world.finding("CanaryUnused").object == "Ingress shop/second"
    world.tell(gone(first))
    assert world.backend().canary == Canary(backend="shop/two/80", weight=10)
    assert "CanaryUnused" not in world.kinds()


def test_a_canary_is_for_the_backend() -> None:
    """g.11: it applies to every other path and host with the same Service and port."""
    both = ingress(
        "main", rule("shop.example", path("/"), path("/other")), rule("b.example", path("/")), created="2020"
    )
    world = World(both, canary(text="/other"))
    assert {route.backend for route in world.rules().values()} == {"shop/web/80"}
    assert world.rules("b.example")["p/"].backend == "shop/web/80"
    assert world.backend().canary is not None


def test_a_canary_with_the_same_backend_is_none() -> None:
    """g.11: same Service and port."""
    world = World(MAIN, canary(service="web"))
    assert world.backend().canary is None
    assert world.finding("CanaryUnused").object == "Ingress shop/canary"


def test_who_names_a_service_first_decides_whether_it_is_a_canary() -> None:
    """g.11: canary first: no route leads to it; main first: it becomes no canary."""
    route_to_next = simple("direct", "direct.example", service="next", created="2023")
    world = World(MAIN, canary(created="2021"), route_to_next)
    assert world.rules("direct.example") == {}
    assert world.finding("CanaryOnly").object == "Ingress shop/direct"
    older = simple("direct", "direct.example", service="next", created="2019")
    world.tell(older)
    assert world.rules("direct.example")["p/"].backend == "shop/next/80"
    assert world.backend().canary is None
    assert world.finding("CanaryUnused").object == "Ingress shop/canary"
    world.tell(gone(older))
    assert world.backend().canary is not None


def test_parts_without_the_whole() -> None:
    """a.8: other canary annotations without canary: "true" make an ordinary Ingress, and are told about."""
    world = World(simple(annotations={"canary-weight": "10"}))
    assert list(world.rules()) == ["p/"]
    assert world.finding("NoEffect").field.endswith("/canary-weight]")


def test_an_ingress_may_become_a_canary_and_back() -> None:
    """Its routes go, and come back."""
    other = simple("other", "shop.example", "/x", "next", created="2022")
    world = World(MAIN, other)
    assert set(world.rules()) == {"p/", "p/x"}
    world.tell(canary("other", text="/"))
    assert set(world.rules()) == {"p/"}
    assert world.backend().canary is not None
    world.tell(other)
    assert set(world.rules()) == {"p/", "p/x"}
    assert world.backend().canary is None


def test_a_policy_that_changes_reaches_the_main_backend() -> None:
    """It is written where the main backend is; nothing else changes."""
    world = World(MAIN, canary())
    changes = world.tell(canary(annotations={"canary-weight": "50"}))
    assert {key for key in changes if not key.startswith("o/")} == {"b/shop/web/80"}


def test_the_policy_is_that_of_the_first_to_name_the_canary() -> None:
    """g.6: also if that Ingress stands elsewhere and only now came or went."""
    elsewhere = canary("elsewhere", host="b.example", annotations={"canary-weight": "70"}, created="2021")
    world = World(MAIN, canary())
    world.tell(elsewhere)
    assert world.backend().canary == Canary(backend="shop/next/80", weight=70)
    world.tell(gone(elsewhere))
    assert world.backend().canary == Canary(backend="shop/next/80", weight=10)


def test_a_canary_of_the_default_backend() -> None:
    """An Ingress without rules may have one as well."""
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    beside = {"service": {"name": "next", "port": {"number": 80}}}
    main = ingress("main", defaultBackend=backend, created="2020")
    other = ingress(
        "other", defaultBackend=beside, annotations={"canary": "true", "canary-weight": "5"}, created="2021"
    )
    world = World(main, other)
    assert world.backend().canary == Canary(backend="shop/next/80", weight=5)
