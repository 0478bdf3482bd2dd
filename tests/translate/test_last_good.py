"""An Ingress that turns bad stays in force as it was, also over a restart."""

from __future__ import annotations

import msgspec

from tests.translate.objects import Fact, World, backed, endpoint_slice, gone, load, service, simple
from tidegate.findings import Effect
from tidegate.kube.objects import Ingress, Ref
from tidegate.translate import last_good_of

REF = Ref("Ingress", "shop", "web")
GOOD = simple(annotations={"proxy-read-timeout": "7"})
BAD = simple(text="/new", annotations={"permanent-redirect": "nonsense {}"})


def test_a_bad_version_leaves_the_good_one_in_force() -> None:
    """The finding tells; entries stay as they are, the last good object is kept."""
    world = World(GOOD, backed())
    before = dict(world.translator.entries)
    assert world.tell(BAD) == {}
    assert world.translator.entries == before
    assert world.finding("InvalidValue").effect is Effect.REFUSED
    assert msgspec.json.decode(before["o/Ingress/shop/web"], type=Ingress) == GOOD[1]
    world.tell(simple(text="/new"))
    assert list(world.rules()) == ["p/new"]
    assert world.kinds() == set()


def test_one_that_never_was_good_does_not_appear() -> None:
    """Nothing of it is in force (404)."""
    world = World(BAD)
    assert [key for key in world.translator.entries if key != "g"] == []


def test_after_a_restart_the_good_version_is_in_force() -> None:
    """The entries are the same as before, as long as the object is there."""
    world = World(GOOD, backed())
    world.tell(BAD)
    kept = last_good_of(world.translator.entries)
    assert kept[REF] == GOOD[1]
    again = World(BAD, backed(), last_good=kept)
    assert again.translator.entries == world.translator.entries
    assert World(backed(), last_good=kept).keys("h/") == []


def test_the_kept_version_goes_with_its_object() -> None:
    """What was deleted does not come back when a bad version is created."""
    world = World(GOOD)
    world.tell(gone(GOOD))
    assert world.keys("o/") == []
    world.tell(BAD)
    assert world.keys("h/") == []


def test_losing_the_class_is_like_being_deleted() -> None:
    """g.7: also for a version that is kept."""
    world = World(GOOD)
    world.tell(simple(ingressClassName="other"))
    assert world.keys("o/") == world.keys("h/") == []
    world.tell(BAD)
    assert world.keys("h/") == []


def test_conflicts_are_decided_with_the_version_in_force() -> None:
    """The path of a version that is refused is not claimed."""
    other = simple("other", text="/new", created="2030")
    world = World(GOOD, other)
    world.tell(BAD)
    assert {key: route.ingress for key, route in world.rules().items()} == {"p/": "web", "p/new": "other"}


def test_unreadable_entries_are_left_out() -> None:
    """A kept object of a former program may not be readable: the source has a new one."""
    entries = {
        "o/Ingress/shop/web": b"{",
        "o/Gateway/a/b": b"{}",
        "c/shop/x": b"[]",
        "h/main/x": b"{}",
        "o/": b"",
        "zzz": b"",
    }
    assert last_good_of(entries) == {}


def test_after_a_restart_services_and_endpoints_are_what_they_were() -> None:
    """With nothing but what was in force: the entries come out the same, endpoints of named ports included."""
    port = {"name": "http", "port": 80, "targetPort": "x", "appProtocol": "kubernetes.io/h2c"}
    slices: list[Fact] = [
        endpoint_slice("web", "10.0.0.1", "10.0.0.2", port_name="http"),
        endpoint_slice("web", "10.0.0.3", name="web-2", port_name="http", port=9090),
        endpoint_slice("web", "10.0.0.4", name="web-3", port_name="other"),
        endpoint_slice(
            "web",
            name="web-4",
            port_name="http",
            endpoints=[
                {
                    "addresses": ["10.0.0.5"],
                    "conditions": {"ready": False, "serving": True, "terminating": True},
                }
            ],
        ),
    ]
    world = World(simple(), service("web", port), slices)
    assert world.entry("b/shop/web/80") is not None
    again = World(*last_good_of(world.translator.entries).items())
    assert again.translator.entries == world.translator.entries


def test_what_kubernetes_would_not_name_so_is_not_kept() -> None:
    assert World(load("Service", "a\u0001b", spec={})).keys("o/") == []
