"""TCP and UDP services, and TLS passthrough: from ConfigMaps and annotations to entries and node settings."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from tidegate.model import NodeSettings, Route, StreamPort, Target

OPTIONS = msgspec.structs.replace(
    FOLDER, tcp_services="shop/tcp", udp_services="shop/udp", node=NodeSettings(passthrough=True)
)


def tcp(**lines: str) -> Fact:
    return load("ConfigMap", "tcp", data={key.removeprefix("p"): value for key, value in lines.items()})


def udp(**lines: str) -> Fact:
    return load("ConfigMap", "udp", data={key.removeprefix("p"): value for key, value in lines.items()})


def passed(name: str = "web", host: str = "shop.example", *, created: str = "", **more: str) -> Fact:
    return simple(name, host, annotations={"ssl-passthrough": "true", **more}, created=created or None)


def target(world: World, name: str) -> list[str] | None:
    found = world.entry(f"p/{name}")
    return [f"{e.address}:{e.port}" for e in found.endpoints] if isinstance(found, Target) else None


def ports(world: World) -> tuple[StreamPort, ...]:
    return world.translator.node.stream_ports


# --- TCP and UDP services -------------------------------------------------------------------------------------------


def test_a_line_becomes_a_port_and_its_endpoints() -> None:
    """The one is part of the configuration, the other data."""
    world = World(backed(), tcp(p5432="shop/web:80"), options=OPTIONS)
    assert ports(world) == (StreamPort("tcp", 5432),)
    assert target(world, "tcp/5432") == ["10.0.0.1:8080"]


@pytest.mark.parametrize(
    ("line", "decode", "encode"),
    [
        ("shop/web:80", False, False),
        ("shop/web:80:PROXY", True, False),
        ("shop/web:80:PROXY:PROXY", True, True),
        ("shop/web:80::PROXY", False, True),
        ("shop/web:80:proxy:", True, False),
        (" shop/web:80 ", False, False),
    ],
)
def test_proxy_headers(line: str, decode: bool, encode: bool) -> None:  # noqa: FBT001
    """The first PROXY is what clients send, the second what the backend gets."""
    world = World(backed(), tcp(p5432=line), options=OPTIONS)
    assert ports(world) == (StreamPort("tcp", 5432, decode=decode, encode=encode),)
    assert not world.findings


@pytest.mark.parametrize(
    "line",
    [
        "", "shop/web", "web:80", "shop/web:", "shop/web:0", "shop/web:65536", "shop/web:80:NOPROXY", "Shop/web:80",
        "shop/web:80:PROXY:PROXY:PROXY", "shop/web:80; daemon off;", "shop/web.x:80", "../web:80", "shop/web:80\n",
        "shop/web:-80", "shop/web:http_x",
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_left_out(line: str) -> None:
    """With a finding; the other lines hold."""
    world = World(backed(), tcp(p1=line, p2="shop/web:80"), options=OPTIONS)
    assert [port.port for port in ports(world)] == ([1, 2] if line.endswith("\n") else [2])
    assert world.kinds() <= {"InvalidService"}


@pytest.mark.parametrize("port", [80, 443, 442, 8181, 10245, 10246, 10247, 10254, 18080])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_the_gateway_s_own_ports_are_reserved(port: int, protocol: str) -> None:
    """Those that it listens on, and those that the predecessor keeps for itself."""
    options = msgspec.structs.replace(OPTIONS, node=NodeSettings(http_port=18080))
    lines = load("ConfigMap", protocol, data={str(port): "shop/web:80"})
    world = World(backed(), lines, options=options)
    assert ports(world) == ()
    assert world.finding("PortReserved").field == f"data[{port}]"


def test_two_spellings_of_one_port_are_a_conflict() -> None:
    """The plain one holds."""
    world = World(backed(), tcp(**{"p+9": "shop/x:1", "p9": "shop/web:80"}), options=OPTIONS)
    assert target(world, "tcp/9") == ["10.0.0.1:8080"]
    assert world.finding("PortConflict").value == "shop/x:1"


def test_udp_and_tcp_have_a_port_each() -> None:
    """Each finds the Service's port of its own protocol."""
    dns = service(
        "web",
        {"port": 53, "targetPort": 5353, "protocol": "UDP", "name": "dns"},
        {"port": 53, "targetPort": 5300, "name": "dns-tcp"},
    )
    slices = endpoint_slice(
        "web",
        "10.0.0.1",
        ports=[{"name": "dns", "port": 5353, "protocol": "UDP"}, {"name": "dns-tcp", "port": 5300}],
    )
    world = World(dns, slices, tcp(p53="shop/web:53"), udp(p53="shop/web:53"), options=OPTIONS)
    assert target(world, "tcp/53") == ["10.0.0.1:5300"]
    assert target(world, "udp/53") == ["10.0.0.1:5353"]
    assert ports(world) == (StreamPort("tcp", 53), StreamPort("udp", 53))


def test_endpoints_change_alone() -> None:
    """Neither the node settings nor any other entry."""
    world = World(backed(), tcp(p5432="shop/web:80"), options=OPTIONS)
    before = world.translator.node
    assert list(world.tell(endpoint_slice("web", "10.0.0.2"))) == ["p/tcp/5432"]
    assert target(world, "tcp/5432") == ["10.0.0.2:8080"]
    assert world.translator.node is before


def test_endpoint_news_overtake_a_batch() -> None:
    """As those of backends do."""
    world = World(backed(), tcp(p5432="shop/web:80"), options=OPTIONS)
    work = world.translator.hasten([endpoint_slice("web", "10.0.0.2")])
    assert list(work.changes) == ["p/tcp/5432"]


def test_lines_come_and_go() -> None:
    """With the ConfigMap too."""
    world = World(backed(), tcp(p1="shop/web:80", p2="shop/web:80"), options=OPTIONS)
    world.tell(tcp(p2="shop/web:80", p3="shop/web:80"))
    assert [port.port for port in ports(world)] == [2, 3]
    assert world.keys("p/") == ["p/tcp/2", "p/tcp/3"]
    world.tell(gone(tcp()))
    assert ports(world) == ()
    assert world.keys("p/") == []


def test_a_service_that_is_missing_is_a_finding_about_the_line() -> None:
    """The port stays: the Service may come."""
    world = World(tcp(p1="shop/web:80"), options=OPTIONS)
    assert target(world, "tcp/1") == []
    assert world.finding("ServiceNotFound").field == "data[1]"
    world.tell(*backed())
    assert target(world, "tcp/1") == ["10.0.0.1:8080"]
    assert world.kinds() == set()


def test_an_external_name_is_resolved() -> None:
    """Its name is among those that are wanted."""
    external = service("web", {"port": 80}, type="ExternalName", externalName="db.example.com")
    world = World(external, tcp(p1="shop/web:80"), options=OPTIONS)
    assert world.translator.names == {"db.example.com"}
    world.translator.apply_resolved("db.example.com", ("192.0.2.1",))
    world.work()
    assert target(world, "tcp/1") == ["192.0.2.1:80"]


def test_without_the_flags_nothing_is_read() -> None:
    """Whatever ConfigMaps there are."""
    world = World(backed(), tcp(p1="shop/web:80"), passed())
    assert ports(world) == ()
    assert world.keys("p/") == []
    assert world.kinds() == {"PassthroughDisabled"}


# --- TLS passthrough ------------------------------------------------------------------------------------------------


def hosts(world: World) -> tuple[str, ...]:
    return world.translator.node.passthrough_hosts


def test_the_backend_of_the_root_path_counts() -> None:
    """And only that."""
    both = ingress(
        "web",
        rule("shop.example", path("/api", "other"), path("/", "web")),
        annotations={"ssl-passthrough": "true"},
    )
    world = World(backed(), backed("other", "10.0.0.9"), both, options=OPTIONS)
    assert target(world, "sni/shop.example") == ["10.0.0.1:8080"]
    assert hosts(world) == ("shop.example",)


def test_any_ingress_of_the_host_may_ask_for_it() -> None:
    """The winner of the path / need not be the one (reference g.6)."""
    world = World(
        backed(),
        simple(created="2020"),
        ingress("late", rule("shop.example", path("/x")), annotations={"ssl-passthrough": "true"}),
        options=OPTIONS,
    )
    assert target(world, "sni/shop.example") == ["10.0.0.1:8080"]


def test_another_namespace_cannot_ask_for_it() -> None:
    """It would switch off what the owner of the path / asks for: allow lists, client certificates."""
    theirs = ingress(
        "theirs", rule("shop.example", path("/x")), namespace="other", annotations={"ssl-passthrough": "true"}
    )
    world = World(backed(), simple(created="2020"), theirs, options=OPTIONS)
    assert hosts(world) == ()
    assert world.finding("PassthroughImpossible").object == "Ingress other/theirs"
    world.tell(passed(created="2020"))
    assert hosts(world) == ("shop.example",)
    assert "PassthroughImpossible" not in world.kinds()


def test_the_annotation_comes_and_goes() -> None:
    """So do the host in the configuration and the entry."""
    world = World(backed(), passed(), options=OPTIONS)
    world.tell(simple())
    assert (hosts(world), target(world, "sni/shop.example")) == ((), None)
    world.tell(passed())
    assert hosts(world) == ("shop.example",)
    world.tell(gone(passed()))
    assert (hosts(world), target(world, "sni/shop.example")) == ((), None)


def test_another_winner_is_another_target() -> None:
    """Whoever's Ingress it is."""
    world = World(backed(), backed("other", "10.0.0.9"), passed(created="2022"), options=OPTIONS)
    world.tell(simple("older", service="other", created="2020"))
    assert target(world, "sni/shop.example") == ["10.0.0.9:8080"]
    world.tell(gone(simple("older")))
    assert target(world, "sni/shop.example") == ["10.0.0.1:8080"]


@pytest.mark.parametrize("host", ["*.shop.example", ""])
def test_only_exact_names_are_passed_through(host: str) -> None:
    """A wildcard, or no name at all, is a finding."""
    world = World(backed(), passed(host=host), options=OPTIONS)
    assert hosts(world) == ()
    assert world.kinds() == {"PassthroughImpossible"}


def test_a_host_without_a_root_path_is_not_passed_through() -> None:
    """It has no backend for all of it."""
    world = World(
        backed(),
        ingress("web", rule("shop.example", path("/x")), annotations={"ssl-passthrough": "true"}),
        options=OPTIONS,
    )
    assert hosts(world) == ()
    assert world.kinds() == {"PassthroughImpossible"}


def test_what_is_denied_goes_nowhere() -> None:
    """A protection that cannot be given closes the host."""
    world = World(backed(), passed(**{"auth-url": "http://x"}), options=OPTIONS)
    assert target(world, "sni/shop.example") == []


@pytest.mark.parametrize(
    ("written", "spoken"), [("", "https"), ("HTTP", "https"), ("GRPC", "grpcs"), ("FCGI", "fcgi")]
)
def test_requests_on_the_plain_port_reach_the_backend_over_tls(written: str, spoken: str) -> None:
    """It ends TLS itself."""
    more = {"backend-protocol": written} if written else {}
    world = World(backed(), passed(**more), options=OPTIONS)
    profile = world.translator.profiles[world.rules()["p/"].profile]
    assert dict(profile.values)["protocol"] == spoken


def test_an_allow_list_that_cannot_hold_is_said() -> None:
    """The gateway sees no request."""
    world = World(backed(), passed(**{"allowlist-source-range": "10.0.0.0/8"}), options=OPTIONS)
    assert "PassthroughUnguarded" in world.kinds()


def test_an_invalid_value_refuses_the_ingress() -> None:
    """As upstream."""
    world = World(backed(), simple(annotations={"ssl-passthrough": "yes"}), options=OPTIONS)
    assert world.keys("h/") == []


# --- both -----------------------------------------------------------------------------------------------------------


FACTS: list[Fact] = [
    *backed("web", "10.0.0.1"),
    *backed("other", "10.0.0.2"),
    endpoint_slice("web", "10.0.0.3"),
    tcp(p1="shop/web:80", p2="shop/other:80"),
    tcp(p1="shop/other:80"),
    udp(p1="shop/web:80"),
    passed(),
    simple(),
    simple("older", service="other", created="2020"),
    passed("two", "two.example"),
    gone(tcp()),
    gone(passed()),
    gone(simple("older")),
    gone(service("web")),
]


def _without_history(world: World) -> dict[str, object]:
    """Give the entries; of a route not the profile that it had before, which only a history has."""
    entries = {key: world.entry(key) for key in world.translator.entries if not key.startswith("o/")}
    return {
        key: msgspec.structs.replace(entry, profile_before="") if isinstance(entry, Route) else entry
        for key, entry in entries.items()
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(range(len(FACTS))), max_size=14), st.randoms(use_true_random=False))
def test_a_history_ends_as_a_fresh_start_does(history: list[int], chance: random.Random) -> None:
    """Entries, node settings and findings depend on the objects that there are, not on how they came to be."""
    world = World(options=OPTIONS)
    final: dict[object, Fact] = {}
    for number in history:
        world.tell(FACTS[number])
        final[FACTS[number][0]] = FACTS[number]
    facts = [fact for fact in final.values() if fact[1] is not None]
    chance.shuffle(facts)
    fresh = World(*facts, options=OPTIONS)
    assert _without_history(world) == _without_history(fresh)
    assert world.translator.node == fresh.translator.node
    assert {k: v for k, v in world.findings.items() if v} == {k: v for k, v in fresh.findings.items() if v}


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=12), st.text(max_size=30), max_size=4))
def test_no_text_gets_further_than_its_line(data: dict[str, str]) -> None:
    """Whatever a ConfigMap holds, the node settings get port numbers and booleans."""
    data = {k: v for k, v in data.items() if k.isprintable()}
    world = World(load("ConfigMap", "tcp", data=data), options=OPTIONS)
    for port in ports(world):
        assert port.protocol == "tcp"
        assert 1 <= port.port <= 65535
