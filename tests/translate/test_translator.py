"""The translator's face: steps and budgets, priorities, causes, and that nothing it is told makes it fail."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.translate.objects import (
    FOLDER,
    World,
    backed,
    endpoint_slice,
    gone,
    ingress,
    load,
    path,
    rule,
    service,
    simple,
)
from tidegate.kube.objects import KINDS
from tidegate.model import Cause, NodeSettings
from tidegate.translate import Options, Translator


def test_the_first_step_gives_the_settings() -> None:
    """Without any object there are global settings and the node's."""
    translator = Translator(Options(node=NodeSettings(http_port=8080)))
    work = translator.step()
    assert list(work.changes) == ["g"]
    assert work.causes == {"g": Cause("the flags", (), "added")}
    assert work.node == NodeSettings(http_port=8080)
    assert work.done
    assert not translator.step()


def test_the_budget_ends_a_step() -> None:
    """At least one unit is done, so that work always ends; what is left is done later."""
    world = World()
    world.translator.apply([simple(f"i{number}", f"h{number}.example") for number in range(50)])
    steps = 0
    while world.translator.pending:
        work = world.translator.step(lambda: False)
        assert work.done is (world.translator.pending == 0)
        steps += 1
    assert steps == 50
    assert len(world.keys("h/")) == 50


def test_endpoints_go_first() -> None:
    """Then certificates, then routes: an endpoint that is gone waits for nothing else."""
    world = World(simple(), backed())
    world.translator.apply([simple(f"i{number}", f"h{number}.example") for number in range(50)])
    world.translator.apply([endpoint_slice("web")])
    work = world.translator.step(lambda: False)
    assert list(work.changes) == ["b/shop/web/80"]
    assert world.addresses() == []


def test_a_burst_of_changes_is_worked_off_once() -> None:
    """What came and went in between is never seen."""
    world = World(simple(), service())
    for number in range(100):
        world.translator.apply([endpoint_slice("web", f"10.0.0.{number}")])
    assert world.translator.pending == 1
    world.translator.apply([simple("gone"), gone(simple("gone"))])
    assert "r/shop/gone" not in str(world.work())


def test_causes() -> None:
    """Each changed entry says which change of which object led to it."""
    world = World()
    world.translator.apply([simple(), *backed()])
    causes = world.translator.step().causes
    assert {key: cause.object for key, cause in causes.items()} == {
        key: "Service shop/web" if key.startswith("o/Service/") else "Ingress shop/web" for key in causes
    }
    assert {cause.action for cause in causes.values()} == {"added"}
    world.translator.apply([simple(annotations={"proxy-read-timeout": "7"})])
    (route,) = (key for key in world.keys("r/"))
    expected = Cause("Ingress shop/web", (f"metadata.annotations[{_name('proxy-read-timeout')}]",), "changed")
    assert world.translator.step().causes[route] == expected
    world.translator.apply([simple(annotations={"proxy-read-timeout": "8"})])
    world.translator.apply([simple(annotations={"proxy-read-timeout": "8"}, text="/x")])
    cause = world.translator.step().causes["h/main/shop.example"]
    assert cause.fields == (
        f"metadata.annotations[{_name('proxy-read-timeout')}]",
        "spec.rules[0].http.paths[0].path",
    )
    world.translator.apply([gone(simple())])
    causes = world.translator.step().causes
    assert set(causes.values()) == {Cause("Ingress shop/web", (), "removed")}


def _name(annotation: str) -> str:
    return f"nginx.ingress.kubernetes.io/{annotation}"


def test_an_entry_that_ends_as_it_was_is_no_change() -> None:
    """Removed and told again within one step: nothing to push."""
    world = World(simple(), backed())
    world.translator.apply([gone(simple())])
    world.translator.apply([simple()])
    assert not world.translator.step()


def test_everything_goes() -> None:
    """When all objects are gone, nothing is left of them: no entries, no findings, nothing that is remembered."""
    facts = [
        simple(annotations={"use-regex": "true"}, tls=[{"hosts": ["shop.example"], "secretName": "cert"}]),
        simple("canary", annotations={"canary": "true"}, service="next"),
        simple("loser", annotations={"proxy-body-size": "9m"}),
        ingress("all", defaultBackend={"service": {"name": "web", "port": {"number": 80}}}),
        *backed(), load("Secret", "cert", data={}), load("IngressClass", "nginx", None),
        load("ConfigMap", "ingress-nginx-controller", "ingress-nginx", data={"unknown": "1"}),
    ]  # fmt: skip
    world = World(facts)
    world.tell(*[gone(fact) for fact in facts])
    assert world.keys("") == ["g"]
    assert {ref: found for ref, found in world.findings.items() if found} == {}
    shop = world.translator._shop
    assert (shop.merger.hosts, shop.merger.backends, shop.merger.contributions) == ({}, {}, {})
    assert shop.merger.routes.profiles == {}
    assert shop.merger.routes._profile_of == {}
    assert set(shop.readers._facts) == {("configuration", "", "")}
    assert not shop.ledger._notes
    assert not shop.ledger._sources
    assert len(shop.store) == 0


# --- garbage ----------------------------------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "/", "a", "_", "*", "*.a", "true", "a\x00", "../..", "\ud800", "10.0.0.1", "http", "web", "shop"]
    ),
)
NUMBERS = st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from([0, 1, 80, 65535, 65536]))


def anything(kind: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Make any value that the type system lets through for an object's field."""
    origin = getattr(kind, "__origin__", None)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return st.builds(
            kind, **{field.name: anything(field.type, depth + 1) for field in msgspec.structs.fields(kind)}
        )
    if origin is dict:
        inner = st.binary(max_size=9) if kind.__args__[1] is bytes else st.text(max_size=12)
        return st.dictionaries(ANNOTATION_NAMES if depth < 3 else st.text(max_size=5), inner, max_size=3)
    if origin is tuple:
        return st.lists(anything(kind.__args__[0], depth + 1), max_size=3).map(tuple)
    if hasattr(kind, "__metadata__"):
        return anything(kind.__origin__, depth)
    if hasattr(kind, "__args__"):
        return st.one_of(*(anything(each, depth) for each in kind.__args__))
    return {str: TEXTS, int: NUMBERS, bool: st.booleans(), bytes: st.binary(max_size=9)}.get(kind, st.none())  # fmt: skip


ANNOTATION_NAMES = st.one_of(
    st.text(max_size=12),
    st.sampled_from([_name(name) for name in ("canary", "use-regex", "rewrite-target", "auth-url", "x")]),
    st.sampled_from(["kubernetes.io/ingress.class", "kubernetes.io/service-name", "tls.crt", "ssl-redirect"]),
)
GARBAGE = st.one_of(*(anything(kind) for kind in KINDS.values()))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(GARBAGE, min_size=1, max_size=8))
def test_garbage_never_fails(resources: list[Any]) -> None:
    """B12: whatever the fields hold, every object is taken, worked off, told about, and gone without a trace."""
    world = World(
        simple(), backed(), options=msgspec.structs.replace(FOLDER, default_ssl_certificate="shop/web")
    )
    before = dict(world.translator.entries)
    good = {key for key in before if "shop.example" in key}
    world.tell(*[(resource.ref, resource) for resource in resources])
    replaces_it = any(resource.ref == simple()[0] for resource in resources)
    assert replaces_it or good <= set(world.translator.entries)
    for key, value in world.translator.entries.items():
        assert len(key.encode()) < 65536
        assert "\x00" not in key
        assert value
    world.tell(*[(resource.ref, None) for resource in resources])
    world.tell(simple(), *backed())
    assert dict(world.translator.entries) == before


def test_large_objects() -> None:
    """B12: a text of a megabyte, 10,000 rules and 100,000 endpoints in one slice are worked off like any other."""
    slices = endpoint_slice("web", *(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(100_000)))
    large = ingress("large", rule("large.example", *(path(f"/p{n}") for n in range(10_000))))
    text = simple("text", annotations={"upstream-vhost": "a" * 2**20})
    world = World(slices, service(), large, text)
    assert len(world.addresses()) == 100_000
    assert len(world.rules("large.example")) == 10_000
