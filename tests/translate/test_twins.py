"""One path served by two Ingresses of a namespace: gRPC calls by the one, everything else by the other."""

from __future__ import annotations

from typing import Any

from tests.translate.objects import World, ingress, path, rule, service, simple
from tidegate.model import Conditions, Host

CALLS = Conditions(grpc=True)
HTTP = simple("pages", created="2024")


def calls(created: str = "2025", **more: Any) -> Any:
    notes = {"backend-protocol": "GRPC", **more.pop("annotations", {})}
    return simple("calls", service="calls", created=created, annotations=notes, **more)


def served(world: World) -> list[tuple[str, Conditions | None]]:
    return [(world.route(rule.route).ingress, rule.when) for rule in world.host().rules]


def test_both_serve_whichever_is_older() -> None:
    """The rule for calls stands first; nobody is told of a conflict."""
    for created in ("2023", "2025"):
        world = World(HTTP, calls(created))
        assert served(world) == [("calls", CALLS), ("pages", None)]
        assert "PathConflict" not in world.kinds()


def test_one_alone_serves_everything() -> None:
    """And again when the other has gone; the route that serves nobody goes too."""
    world = World(HTTP, calls())
    world.tell((calls()[0], None))
    assert served(world) == [("pages", None)]
    assert len(world.keys("r/")) == 1
    world.tell(calls())
    world.tell((HTTP[0], None))
    assert served(world) == [("calls", None)]
    assert len(world.keys("r/")) == 1


def test_a_third_one_loses() -> None:
    """To the older of its kind."""
    world = World(HTTP, calls(), simple("late", created="2026"))
    assert served(world) == [("calls", CALLS), ("pages", None)]
    assert "late" in world.finding("PathConflict").object


def test_other_namespaces_take_nothing_away() -> None:
    """Calls to a path of somebody else stay with who has the path."""
    world = World(HTTP, calls(namespace="other"))
    assert served(world) == [("pages", None)]
    assert world.finding("PathConflict").object == "Ingress other/calls"


def test_the_service_can_say_it() -> None:
    """Its appProtocol makes the difference, as soon as it does."""
    grpc = simple("calls", service="calls", created="2025")
    world = World(HTTP, grpc, service("calls", {"port": 80}))
    assert served(world) == [("pages", None)]
    world.tell(service("calls", {"port": 80, "appProtocol": "grpc"}))
    assert served(world) == [("calls", CALLS), ("pages", None)]
    world.tell(service("calls", {"port": 80}))
    assert served(world) == [("pages", None)]


def test_canaries_stand_beside_their_kind() -> None:
    """One for gRPC beside the calls, one for pages beside the pages."""
    canary = {"canary": "true", "canary-weight": "10"}
    world = World(
        HTTP,
        calls(),
        simple("c1", service="calls-next", annotations={**canary, "backend-protocol": "GRPC"}),
        simple("c2", service="web-next", annotations=canary),
    )
    beside = {name: world.backend(f"shop/{name}/80").canary for name in ("calls", "web")}
    assert {name: found.backend if found else None for name, found in beside.items()} == {
        "calls": "shop/calls-next/80",
        "web": "shop/web-next/80",
    }


def test_hosts_with_many_paths_have_twins_too() -> None:
    """In the buckets."""
    paths = [path(f"/p{n}") for n in range(200)]
    world = World(
        ingress("pages", rule("shop.example", *paths)),
        ingress(
            "calls", rule("shop.example", path("/p7", "calls")), annotations={"backend-protocol": "GRPC"}
        ),
    )
    assert isinstance(world.host(), Host)
    entries = [world.entry(key) for key in world.keys("m/")]
    rules = [rule for entry in entries for rule in getattr(entry, "rules", ()) if rule.path == "/p7"]
    assert [rule.when for rule in rules] == [CALLS, None]
