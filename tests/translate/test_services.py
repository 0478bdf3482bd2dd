"""Services, ports and endpoints (reference g.13)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.translate.objects import (
    FOLDER,
    Fact,
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
from tidegate.findings import Effect
from tidegate.model import Backend
from tidegate.translate import Options

STRICT = Options(watch_without_class=True)


def web(port: int | str = 80, **more: Any) -> Fact:
    return ingress("web", rule("shop.example", path(port=port)), **more)


TWO_PORTS = [
    {"name": "http", "port": 80, "targetPort": "web"},
    {"name": "admin", "port": 81, "targetPort": 9090},
]


@pytest.mark.parametrize(
    ("ports", "asked", "found"),
    [
        (TWO_PORTS, 80, ["10.0.0.1:8080"]),
        (TWO_PORTS, "http", ["10.0.0.1:8080"]),
        (TWO_PORTS, "web", ["10.0.0.1:8080"]),
        (TWO_PORTS, 9090, ["10.0.0.1:9091"]),
        (TWO_PORTS, "admin", ["10.0.0.1:9091"]),
        (TWO_PORTS, 82, None),
        (TWO_PORTS, "other", None),
        (
            [{"port": 443, "protocol": "UDP", "name": "admin"}, {"port": 443, "name": "http"}],
            443,
            ["10.0.0.1:8080"],
        ),
        ([{"port": 80, "name": "http"}, {"port": 80, "name": "admin"}], 80, ["10.0.0.1:8080"]),
        ([{"port": 80}], 80, ["10.0.0.1:8080", "10.0.0.1:9091"]),
        ([{"port": 80, "name": "nowhere", "targetPort": 7000}], 80, ["10.0.0.1:7000"]),
        ([{"port": 80, "name": "nowhere", "targetPort": "text"}], 80, []),
    ],
)
def test_ports(ports: list[dict[str, Any]], asked: int | str, found: list[str] | None) -> None:
    """By number, target port or name, the first TCP port that fits; the slice's port of that name, or all if unnamed."""
    slices = endpoint_slice(
        "web", "10.0.0.1",
        ports=[
            {"name": "http", "port": 8080}, {"name": "admin", "port": 9091}, {"name": "http", "port": 5, "protocol": "UDP"},
        ],
    )  # fmt: skip
    world = World(web(asked), service("web", *ports), slices)
    assert world.addresses(f"shop/web/{asked}") == (found or [])
    assert ("PortNotFound" in world.kinds()) is (found is None)
    if found is None:
        assert world.finding("PortNotFound").field == "spec.rules[0].http.paths[0].backend.service"
        assert "80 (http)" in world.finding("PortNotFound").accepted


def test_slices() -> None:
    """Several slices join; what is not ready is left out, what does not say counts as ready; duplicates count once."""
    ready = [
        {"addresses": ["10.0.0.3"], "conditions": {"ready": True}},
        {"addresses": ["10.0.0.4"], "conditions": {"ready": False, "serving": True}},
        {"addresses": ["10.0.0.5"], "conditions": {"serving": False}},
        {"addresses": ["10.0.0.1"]},
        {"addresses": ["fd00::1", "10.0.0.6"], "conditions": {}},
        {"addresses": None},
    ]
    first = endpoint_slice("web", endpoints=ready)
    world = World(web(), service(), first, endpoint_slice("web", "10.0.0.1", "10.0.0.2", name="web-2"))
    assert world.addresses() == [
        f"{address}:8080"
        for address in ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.6", "fd00::1")
    ]
    world.tell(gone(first))
    assert world.addresses() == ["10.0.0.1:8080", "10.0.0.2:8080"]


def test_only_the_changed_service_is_worked_on() -> None:
    """A change of a slice writes the backends of its Service, with the field that changed as the cause."""
    names = ["one", "two", "three"]
    world = World(
        *(simple(name, f"{name}.example", service=name) for name in names), *(backed(name) for name in names)
    )
    world.translator.apply([endpoint_slice("two", "10.0.0.9")])
    assert world.translator.pending == 1
    work = world.translator.step()
    assert list(work.changes) == ["b/shop/two/80"]
    (cause,) = work.causes.values()
    assert cause.object == "EndpointSlice shop/two-1"
    assert cause.fields == ("endpoints[0].addresses[0]",)
    assert cause.action == "changed"


def test_old_endpoints_count_only_without_slices() -> None:
    """``Endpoints`` are for a Service that has no EndpointSlice."""
    subsets = [
        {
            "addresses": [{"ip": "10.1.0.1"}],
            "notReadyAddresses": [{"ip": "10.1.0.2"}],
            "ports": [{"port": 8080}],
        }
    ]
    old = load("Endpoints", "web", subsets=subsets)
    world = World(web(), service(), old)
    assert world.addresses() == ["10.1.0.1:8080"]
    slices = endpoint_slice("web", "10.0.0.1")
    world.tell(slices)
    assert world.addresses() == ["10.0.0.1:8080"]
    world.tell(gone(slices))
    assert world.addresses() == ["10.1.0.1:8080"]
    world.tell(gone(old))
    assert world.addresses() == []


def test_without_service_or_endpoints() -> None:
    """The backend exists and is empty (503); a missing Service is told to everyone who names it."""
    world = World(web(), simple("other", "other.example"))
    assert world.backend() == Backend()
    assert {finding.object for found in world.findings.values() for finding in found} == {
        "Ingress shop/web",
        "Ingress shop/other",
    }
    world.tell(service())
    assert world.backend() == Backend()
    assert world.kinds() == set()
    world.tell(gone(service()))
    assert world.kinds() == {"ServiceNotFound"}
    world.tell(gone(web()))
    assert {ref.name for ref, found in world.findings.items() if found} == {"other"}


def test_headless() -> None:
    """A headless Service works by its pods, and service-upstream has nothing to go by."""
    world = World(web(annotations={"service-upstream": "true"}), service(clusterIP="None"), endpoint_slice())
    assert world.addresses() == []
    world.tell(endpoint_slice("web", "10.0.0.1"))
    assert world.addresses() == ["10.0.0.1:8080"]


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("10.96.0.1", ["10.96.0.1:80"]),
        ("fd00::96", ["fd00::96:80"]),
        (None, ["10.0.0.1:8080"]),
        ("", ["10.0.0.1:8080"]),
        ("127.0.0.1", []),
    ],
)
def test_service_upstream(address: str | None, found: list[str]) -> None:
    """One peer, the cluster IP with the Service's port; without cluster IP the endpoints."""
    world = World(
        web(annotations={"service-upstream": "true"}), service(clusterIP=address), endpoint_slice("web", "10.0.0.1"),
        options=STRICT,
    )  # fmt: skip
    assert world.addresses() == found


def test_service_upstream_is_for_the_backend() -> None:
    """g.6: the first Ingress that names a backend decides."""
    old = simple("old", "a.example", created="2020", annotations={"service-upstream": "true"})
    new = simple("new", "b.example", created="2021", annotations={"service-upstream": "false"})
    world = World(old, new, service(clusterIP="10.96.0.1"), endpoint_slice("web", "10.0.0.1"))
    assert world.addresses() == ["10.96.0.1:80"]
    world.tell(gone(old))
    assert world.addresses() == ["10.0.0.1:8080"]


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "options", "good"),
    [
        ("127.0.0.1", STRICT, False),
        ("::1", STRICT, False),
        ("169.254.169.254", STRICT, False),
        ("::ffff:169.254.169.254", STRICT, False),
        ("fe80::1", STRICT, False),
        ("0.0.0.0", STRICT, False),
        ("224.0.0.1", STRICT, False),
        ("localhost", STRICT, False),
        ("evil.example", STRICT, False),
        ("10.0.0.1;", STRICT, False),
        ("10.0.0.1", STRICT, True),
        ("127.0.0.1", msgspec.structs.replace(FOLDER, allow_loopback_endpoints=True), True),
        ("::1", msgspec.structs.replace(FOLDER, allow_loopback_endpoints=True), True),
        ("0.0.0.0", msgspec.structs.replace(FOLDER, allow_loopback_endpoints=True), False),
        ("::ffff:0.0.0.0", msgspec.structs.replace(FOLDER, allow_loopback_endpoints=True), False),
    ],
)
def test_addresses(address: str, options: Options, good: bool) -> None:  # noqa: FBT001
    """C5: only addresses of backends are accepted: no names, not the gateway, nor its neighbors."""
    world = World(web(), service(), endpoint_slice("web", address), options=options)
    assert (world.addresses() != []) is good
    if not good:
        finding = world.finding("AddressRefused")
        assert (finding.effect, finding.object, finding.value) == (
            Effect.IGNORED,
            "EndpointSlice shop/web-1",
            address,
        )


def test_the_gateways_own_status_port_is_no_backend() -> None:
    """Even where loopback is allowed (g.13)."""
    options = msgspec.structs.replace(FOLDER, allow_loopback_endpoints=True)
    world = World(
        web(), service(), endpoint_slice("web", "127.0.0.1", "10.0.0.1", port=10254), options=options
    )
    assert world.addresses() == ["10.0.0.1:10254"]


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_ports_of_endpoints(port: int) -> None:
    """Port numbers are from 1 to 65535."""
    assert World(web(), service(), endpoint_slice("web", "10.0.0.1", port=port)).addresses() == []


def test_findings_about_many_addresses_are_few() -> None:
    """The first ones show the mistake."""
    world = World(
        web(), service(), endpoint_slice("web", *(f"127.0.0.{n}" for n in range(1, 101))), options=STRICT
    )
    assert len(world.findings[endpoint_slice("web")[0]]) == 5


# --- ExternalName -----------------------------------------------------------------------------------------------------


def external(name: str, *ports: dict[str, Any]) -> Fact:
    return load("Service", "web", spec={"type": "ExternalName", "externalName": name, "ports": list(ports)})


def test_external_names_are_resolved() -> None:
    """The name is asked for; its answers are the endpoints, all of them, until there are others."""
    world = World(web(8443))
    world.translator.apply([external("DB.example.")])
    work = world.translator.step()
    assert work.names == frozenset({"db.example"}) == world.translator.names
    assert world.addresses("shop/web/8443") == []
    world.translator.apply_resolved("db.example", ("10.0.0.2", "10.0.0.1", "fd00::1"))
    work = world.translator.step()
    assert list(work.changes) == ["b/shop/web/8443"]
    assert work.names is None
    assert world.addresses("shop/web/8443") == ["10.0.0.1:8443", "10.0.0.2:8443", "fd00::1:8443"]
    world.translator.apply_resolved("db.example", ())
    world.work()
    assert world.addresses("shop/web/8443") == []
    world.translator.apply([gone(web(8443))])
    assert world.translator.step().names == frozenset()


@pytest.mark.parametrize(
    ("ports", "asked", "found"),
    [
        ([], 8443, "8443"),
        ([], "https", None),
        ([{"port": 443, "name": "https"}], "https", "443"),
        ([{"port": 443, "name": "https", "targetPort": 8443}], 443, "8443"),
    ],
)
def test_ports_of_external_names(ports: list[dict[str, Any]], asked: int | str, found: str | None) -> None:
    """A number needs no port in the Service; a name does."""
    world = World(web(asked), external("db.example", *ports))
    world.translator.apply_resolved("db.example", ("10.0.0.1",))
    world.work()
    assert world.addresses(f"shop/web/{asked}") == ([f"10.0.0.1:{found}"] if found else [])


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST.", "x.localhost", "127.0.0.1", "10.0.0.1", "a b", "", "http://x", "a..b"]
)
def test_external_names_that_are_refused(name: str) -> None:
    """g.13: names of the gateway itself, and what is no DNS name."""
    world = World(web(), external(name), options=STRICT)
    assert world.translator.names == frozenset()
    assert world.addresses() == []
    finding = world.finding("ExternalNameRefused")
    assert (finding.object, finding.field) == ("Service shop/web", "spec.externalName")


def test_answers_are_judged_after_they_came() -> None:
    """F8: a name that turns to the gateway's own address, or to a metadata service, leads nowhere."""
    world = World(web(), external("db.example"), options=STRICT)
    world.translator.apply_resolved("db.example", ("127.0.0.1", "169.254.169.254", "10.0.0.1"))
    world.work()
    assert world.addresses() == ["10.0.0.1:80"]


def test_external_names_may_be_forbidden() -> None:
    """Flag --disable-svc-external-name."""
    world = World(
        web(), external("db.example"), options=msgspec.structs.replace(FOLDER, disable_svc_external_name=True)
    )
    assert world.translator.names == frozenset()
    assert "--disable-svc-external-name" in world.finding("ExternalNameRefused").message
