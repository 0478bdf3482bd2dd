"""TLS identities of backends: profiles, certificates as entries, and what closes a route."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.translate.objects import FOLDER, World, load, service, simple
from tidegate.findings import Effect
from tidegate.model import Certificate

Pairs = dict[str, tuple[bytes, bytes]]


def secret(pairs: Pairs, name: str = "client", *, pair: str = "", authority: str = "") -> Any:
    held = dict(zip(("tls.crt", "tls.key"), pairs[pair], strict=True)) if pair else {}
    held |= {"ca.crt": pairs[authority][0]} if authority else {}
    return load("Secret", name, data={key: base64.b64encode(value).decode() for key, value in held.items()})


def web(name: str = "web", **annotations: str) -> Any:
    notes = {
        "backend-protocol": "HTTPS",
        **{key.replace("_", "-"): value for key, value in annotations.items()},
    }
    return simple(name, f"{name}.example", annotations=notes)


def profile(world: World, host: str = "web.example") -> dict[str, Any]:
    return dict(world.translator.profiles[world.rules(host)["p/"].profile].values)


def test_without_anything_said_all_share_one_identity() -> None:
    """HTTPS alone is an everyday profile."""
    world = World(web())
    assert profile(world) == {"protocol": "https"}
    assert world.rules("web.example")["p/"].settings == {"backend_tls": {"id": ""}}


def test_what_was_not_asked_of_tls_is_in_no_profile(certificates: Pairs) -> None:
    """proxy-ssl-* without TLS to the backend says nothing."""
    notes = {"backend_protocol": "HTTP", "proxy_ssl_secret": "shop/client", "proxy_ssl_verify": "on"}
    route = World(web(**notes), secret(certificates, pair="a", authority="star")).rules("web.example")["p/"]
    assert (route.profile, route.certificate, route.settings, route.deny) == ("", "", {}, "")


def test_a_certificate_is_an_entry_as_long_as_a_route_uses_it(certificates: Pairs) -> None:
    """Apart from the server's own certificates; the profile holds only the identity."""
    world = World(web(proxy_ssl_secret="shop/client"), secret(certificates, pair="a", authority="star"))
    route = world.rules("web.example")["p/"]
    assert route.certificate == "_backend/shop/client"
    assert isinstance(world.entry("c/_backend/shop/client"), Certificate)
    assert set(profile(world)) == {"protocol", "ssl_identity"}
    assert route.settings == {"backend_tls": {"id": profile(world)["ssl_identity"]}}
    world.translator.apply([web()])
    assert world.translator.step().changes["c/_backend/shop/client"] is None


def test_identities_differ_by_secret_name_and_authorities(certificates: Pairs) -> None:
    """And by everything else that is said; not by body sizes."""
    both = [secret(certificates, name, pair="a", authority="star") for name in ("client", "other")]
    named = {"proxy_ssl_secret": "shop/client"}
    world = World(
        *both,
        web("one", **named),
        web("same", **named, proxy_body_size="8m"),
        web("two", proxy_ssl_secret="shop/other"),
        web("three", **named, proxy_ssl_verify="on"),
        web("four", **named, proxy_ssl_verify="on", proxy_ssl_name="db.example"),
        web("five", **named, proxy_ssl_ciphers="HIGH:!aNULL"),
        web("six", **named, proxy_ssl_protocols="TLSv1.3"),
        web("seven", **named, proxy_ssl_server_name="on"),
    )
    found = {
        name: profile(world, f"{name}.example")["ssl_identity"]
        for name in ("one", "same", "two", "three", "four", "five", "six", "seven")
    }
    assert found["one"] == found["same"]
    assert len(set(found.values())) == 7


def test_a_checked_backend_is_taken_for_its_service_unless_a_name_is_given(certificates: Pairs) -> None:
    """<service>.<namespace>.svc."""
    checked = {"proxy_ssl_secret": "shop/client", "proxy_ssl_verify": "on", "proxy_ssl_verify_depth": "0"}
    world = World(
        web(**checked),
        web("own", **checked, proxy_ssl_name="DB.example."),
        secret(certificates, authority="star"),
    )
    assert world.rules("web.example")["p/"].settings["backend_tls"]["name"] == "web.shop.svc"
    assert world.rules("own.example")["p/"].settings["backend_tls"]["name"] == "db.example"
    values = profile(world)
    assert values["ssl_authorities"].encode() == certificates["star"][0]
    assert values["ssl_verify_depth"] == 1


@pytest.mark.parametrize(
    "notes",
    [
        {"proxy_ssl_secret": "shop/missing"},
        {"proxy_ssl_secret": "other/client"},
        {"proxy_ssl_secret": "shop/empty"},
        {"proxy_ssl_verify": "on"},
    ],
)
def test_what_cannot_be_given_denies(certificates: Pairs, notes: dict[str, str]) -> None:
    """With a finding that says what would be accepted."""
    world = World(web(**notes), secret(certificates, pair="a"), secret(certificates, "empty"))
    assert world.rules("web.example")["p/"].deny
    finding = world.finding("BackendTls")
    assert finding.effect is Effect.DENIED
    assert finding.accepted


def test_secrets_of_other_namespaces_where_the_configmap_allows_them(certificates: Pairs) -> None:
    """allow-cross-namespace-resources."""
    import msgspec

    options = msgspec.structs.replace(FOLDER, configmap="shop/config")
    config = load("ConfigMap", "config", data={"allow-cross-namespace-resources": "true"})
    found = load(
        "Secret", "client", "other", data={"ca.crt": base64.b64encode(certificates["star"][0]).decode()}
    )
    world = World(config, found, web(proxy_ssl_secret="other/client", proxy_ssl_verify="on"), options=options)
    assert world.rules("web.example")["p/"].deny == ""


def test_a_secret_that_turns_bad_keeps_what_it_held(certificates: Pairs) -> None:
    """The route is served as before, and that is told; one that goes closes the route."""
    world = World(web(proxy_ssl_secret="shop/client"), secret(certificates, pair="a"))
    before = world.rules("web.example")["p/"]
    bad = load("Secret", "client", data={"tls.crt": base64.b64encode(b"no").decode(), "tls.key": ""})
    world.tell(bad)
    assert world.rules("web.example")["p/"] == before
    assert world.finding("BackendTls").effect is Effect.IGNORED
    world.tell((bad[0], None))
    assert world.rules("web.example")["p/"].deny


def test_the_port_of_the_service_decides_where_nothing_else_is_said() -> None:
    """A Service that says another protocol changes its routes, wherever they are."""
    port = {"port": 80, "targetPort": 8080}
    world = World(simple(), service("web", {**port, "appProtocol": "https"}))
    assert dict(world.translator.profiles[world.rules()["p/"].profile].values) == {"protocol": "https"}
    world.tell(service("web", {**port, "appProtocol": "kubernetes.io/h2c"}))
    assert dict(world.translator.profiles[world.rules()["p/"].profile].values) == {"protocol": "grpc"}
    world.tell(service("web", port))
    assert world.rules()["p/"].profile == ""
