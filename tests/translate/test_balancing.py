"""How the endpoints of a backend share its requests (reference a.2, a.7, g.6, g.12, g.13)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.translate.objects import FOLDER, Fact, World, backed, endpoint_slice, gone, load, service, simple
from tidegate.findings import Effect
from tidegate.model import Affinity, Backend, HashBy, Settings
from tidegate.translate.interpret.families import balancing

COOKIE = {"affinity": "cookie"}
BY_ADDRESS = {"upstream-hash-by": "$remote_addr"}


def backend(**annotations: str) -> Backend:
    return World(simple(annotations=_named(annotations))).backend()


def _named(annotations: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in annotations.items()}


@pytest.mark.parametrize(
    ("annotations", "algorithm"),
    [
        ({}, ""),
        ({"load-balance": "ewma"}, "ewma"),
        ({"load-balance": "round_robin"}, "round_robin"),
        ({"load-balance": "least_pending"}, "least_pending"),
        ({"load-balance": "least_conn"}, "least_pending"),
        (BY_ADDRESS, "hash"),
        (BY_ADDRESS | {"load-balance": "ewma"}, "hash"),
        (BY_ADDRESS | {"load-balance": "chash"}, "hash"),
        ({"load-balance": "ewma", "upstream-hash-by-subset": "true"}, "ewma"),
    ],
)
def test_algorithm(annotations: dict[str, str], algorithm: str) -> None:
    """g.12: hash-by goes before load-balance; nothing is what the ConfigMap says."""
    assert World(simple(annotations=annotations)).backend().algorithm == algorithm


@pytest.mark.parametrize(
    ("annotations", "hash_by"),
    [
        ({"upstream-hash-by": "$request_uri"}, HashBy(("", "request_uri", ""))),
        ({"upstream-hash-by": "${http_x_user}-$arg_id"}, HashBy(("", "http_x_user", "-", "arg_id", ""))),
        ({"upstream-hash-by": "$cookie_SID"}, HashBy(("", "cookie_sid", ""))),
        ({"upstream-hash-by": "$namespace-$host"}, HashBy(("shop-", "host", ""))),
        ({"upstream-hash-by": "fixed"}, HashBy(("fixed",))),
        (BY_ADDRESS | {"upstream-hash-by-subset": "true"}, HashBy(("", "remote_addr", ""), 3)),
        (BY_ADDRESS | {"upstream-hash-by-subset-size": "5"}, HashBy(("", "remote_addr", ""))),
        (
            BY_ADDRESS | {"upstream-hash-by-subset": "true", "upstream-hash-by-subset-size": "5"},
            HashBy(("", "remote_addr", ""), 5),
        ),
        (
            BY_ADDRESS | {"upstream-hash-by-subset": "true", "upstream-hash-by-subset-size": "0"},
            HashBy(("", "remote_addr", ""), 3),
        ),
    ],
)
def test_hash_key(annotations: dict[str, str], hash_by: HashBy) -> None:
    """a.2: variables and literals mixed; what is known of the backend is filled in."""
    assert World(simple(annotations=annotations)).backend().hash_by == hash_by


@pytest.mark.parametrize(
    ("annotations", "affinity"),
    [
        ({}, {}),
        ({"affinity-mode": "persistent"}, {"mode": "persistent"}),
        ({"session-cookie-name": "SID"}, {"name": "SID"}),
        ({"session-cookie-path": "/app"}, {"path": "/app"}),
        ({"session-cookie-domain": "shop.example"}, {"domain": "shop.example"}),
        ({"session-cookie-expires": "172800"}, {"expires": 172800}),
        ({"session-cookie-expires": "-1", "session-cookie-max-age": "0"}, {"expires": -1, "max_age": 0}),
        ({"session-cookie-samesite": "none"}, {"samesite": "None"}),
        (
            {"session-cookie-conditional-samesite-none": "true", "session-cookie-samesite": "Lax"},
            {"samesite": "Lax", "conditional_samesite_none": True},
        ),
        ({"session-cookie-secure": "true"}, {"secure": True}),
        ({"session-cookie-change-on-failure": "true"}, {"change_on_failure": True}),
    ],
)
def test_affinity(annotations: dict[str, str], affinity: dict[str, Any]) -> None:
    """a.7: every option; the path is that of the rule unless one is given."""
    assert World(simple(annotations=COOKIE | annotations)).backend().affinity == Affinity(
        **{"name": "INGRESSCOOKIE", **affinity}
    )


def test_a_cookie_s_attributes_stay_checked_without_validation() -> None:
    """They stand in a header of the answer."""
    options = msgspec.structs.replace(FOLDER, enable_annotation_validation=False)
    notes = COOKIE | {"session-cookie-path": "/; Domain=x", "session-cookie-domain": "a\r\nb"}
    assert World(simple(annotations=notes), options=options).backend().affinity == Affinity("INGRESSCOOKIE")


@pytest.mark.parametrize(
    ("annotations", "name"),
    [
        ({"session-cookie-name": "SID"}, "session-cookie-name"),
        ({"affinity-mode": "persistent"}, "affinity-mode"),
        ({"upstream-hash-by-subset-size": "2"}, "upstream-hash-by-subset-size"),
        ({"load-balance": "chash"}, "load-balance"),
        ({"load-balance": "sticky_balanced"}, "load-balance"),
    ],
)
def test_what_does_nothing_alone_is_told(annotations: dict[str, str], name: str) -> None:
    """And the backend is as if it were not there."""
    world = World(simple(annotations=annotations))
    assert world.backend() == Backend()
    finding = world.finding("NoEffect")
    assert (finding.effect, finding.field.endswith(f"/{name}]")) == (Effect.IGNORED, True)


def test_sessions_on_patterns_need_a_path_for_the_cookie() -> None:
    """a.7: a browser would never send it back."""
    notes = COOKIE | {"use-regex": "true"}
    assert World(simple(annotations=notes)).finding("NoEffect").accepted == "session-cookie-path beside it"
    assert "NoEffect" not in World(simple(annotations=notes | {"session-cookie-path": "/"})).kinds()


# --- who decides --------------------------------------------------------------------------------------------------------


def test_the_first_ingress_that_names_a_backend_chooses_its_algorithm() -> None:
    """g.6; and the next one does when the first is gone."""
    old = simple("old", created="2020", annotations={"load-balance": "ewma"})
    new = simple("new", "b.example", created="2021", annotations=BY_ADDRESS)
    world = World(new, old)
    assert (world.backend().algorithm, world.backend().hash_by) == ("ewma", None)
    world.tell(gone(old))
    assert world.backend().algorithm == "hash"


def test_the_first_ingress_with_affinity_decides_on_the_sessions() -> None:
    """All of it; the paths of one that asks for none issue no cookie."""
    plain = simple("plain", created="2019")
    old = simple("old", "b.example", created="2020", annotations=COOKIE | {"session-cookie-name": "A"})
    new = simple("new", "c.example", created="2021", annotations=COOKIE | {"affinity-mode": "persistent"})
    world = World(new, old, plain)
    assert world.backend().affinity == Affinity("A")
    issues = {host: world.rules(host)["p/"].settings for host in ("shop.example", "b.example", "c.example")}
    assert issues == {"shop.example": {}, "b.example": {"affinity": True}, "c.example": {"affinity": True}}
    world.tell(gone(old))
    assert world.backend().affinity == Affinity("INGRESSCOOKIE", mode="persistent")
    world.tell(simple("new", "c.example", created="2021"))
    assert world.backend().affinity is None


def test_every_change_of_an_option_is_in_force_at_once() -> None:
    """g.12, g.21: the predecessor waited for the next reload with some of them."""
    world = World(simple(annotations=COOKIE))
    for name, value in (("change-on-failure", "true"), ("samesite", "Lax"), ("path", "/x")):
        before = world.backend().affinity
        world.tell(simple(annotations=COOKIE | {f"session-cookie-{name}": value}))
        assert world.backend().affinity != before
    world.tell(simple(annotations=BY_ADDRESS))
    changed = world.tell(simple(annotations={"upstream-hash-by": "$host"}))
    assert set(changed) >= {"b/shop/web/80"}
    assert world.backend().hash_by == HashBy(("", "host", ""))


def canary(**annotations: str) -> Fact:
    notes = {"canary": "true", "canary-weight": "10"} | _named(annotations)
    return simple("canary", service="next", annotations=notes, created="2022")


def sticky(world: World) -> bool:
    beside = world.backend().canary
    assert beside is not None
    return beside.sticky


def test_a_canary_keeps_its_algorithm_and_has_no_sessions_of_its_own() -> None:
    """g.11: load-balance, hash-by and affinity-canary-behavior are honored on it, the rest is its primary's."""
    world = World(simple("main", created="2020"), canary(load_balance="ewma", affinity="cookie"))
    assert world.backend("shop/next/80") == Backend(algorithm="ewma")
    assert sticky(world)
    assert "NoEffect" not in world.kinds()
    world.tell(canary(affinity_canary_behavior="legacy"))
    assert not sticky(world)


@pytest.mark.parametrize(
    ("text", "value"),
    [("ewma", "ewma"), ("", "round_robin"), ("least_conn", "least_pending"), ("x", "round_robin")],
)
def test_the_config_map_chooses_for_all_others(text: str, value: str) -> None:
    """b: round robin if it says nothing that is understood."""
    options = msgspec.structs.replace(FOLDER, configmap="shop/config")
    world = World(load("ConfigMap", "config", data={"load-balance": text}), options=options)
    found = world.entry("g")
    assert isinstance(found, Settings)
    assert found.values["load_balance"] == value
    assert ("InvalidValue" in world.kinds()) is (text == "x")


# --- endpoints that end ---------------------------------------------------------------------------------------------------


def conditions(ready: bool | None, serving: bool | None, terminating: bool | None) -> list[Fact]:  # noqa: FBT001
    ending = {"ready": ready, "serving": serving, "terminating": terminating}
    endpoints = [{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"], "conditions": ending}]
    return [service(), endpoint_slice(endpoints=endpoints)]


@pytest.mark.parametrize(
    ("ready", "serving", "terminating", "where"),
    [
        (True, True, False, "endpoints"),
        (None, None, None, "endpoints"),
        (True, True, True, "endpoints"),
        (False, True, True, "draining"),
        (False, True, False, ""),
        (False, False, True, ""),
        (False, None, True, ""),
    ],
)
def test_conditions(
    *, ready: bool | None, serving: bool | None, terminating: bool | None, where: str
) -> None:
    """g.13; one that serves and will end keeps its sessions, if its backend has sessions."""
    facts = conditions(ready, serving, terminating)
    for notes in (COOKIE, {}):
        found = World(facts, simple(annotations=notes)).backend()
        places = {"endpoints": found.endpoints, "draining": found.draining}
        holds = {
            name for name, held in places.items() if ("10.0.0.2", 8080) in [(e.address, e.port) for e in held]
        }
        assert holds == ({where} - {""} if notes or where == "endpoints" else set())


def test_an_address_that_is_ready_in_one_slice_does_not_drain() -> None:
    """Two slices may hold it for a moment."""
    ready = endpoint_slice("web", "10.0.0.2", name="other")
    found = World(conditions(False, True, True), ready, simple(annotations=COOKIE)).backend()  # noqa: FBT003
    assert (len(found.endpoints), found.draining) == (2, ())


def test_the_names_of_algorithms_are_one_list() -> None:
    """What the ConfigMap takes, the annotation takes too."""
    world = World(backed(), simple(annotations={"load-balance": balancing.EWMA}))
    assert world.kinds() == set()
