"""Annotations: where each goes, and what an invalid value does (reference a.0 to a.4)."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.translate.objects import FOLDER, PREFIX, World, ingress, load, path, rule, simple
from tidegate.findings import Effect
from tidegate.model import Profile
from tidegate.translate.interpret import known, registry
from tidegate.translate.interpret.declarations import Annotation, Risk


def with_annotations(annotations: dict[str, str]) -> World:
    return World(simple(annotations=annotations))


DATA: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"ssl-redirect": "false"}, {"ssl_redirect": False}),
    ({"force-ssl-redirect": "T"}, {"force_ssl_redirect": True}),
    ({"preserve-trailing-slash": "true"}, {"preserve_trailing_slash": True}),
    ({"use-port-in-redirects": "1"}, {"use_port_in_redirects": True}),
    ({"proxy-connect-timeout": "7"}, {"connect_timeout": 7}),
    ({"proxy-send-timeout": "8"}, {"send_timeout": 8}),
    ({"proxy-read-timeout": "3600"}, {"read_timeout": 3600}),
    ({"proxy-next-upstream-tries": "1"}, {"tries": 1}),
    ({"proxy-next-upstream-tries": "0"}, {"tries": 0}),
    ({"permanent-redirect": "https://x.example/a?b=c"}, {"redirect": [301, "https://x.example/a?b=c"]}),
    ({"permanent-redirect": "/a", "permanent-redirect-code": "308"}, {"redirect": [308, "/a"]}),
    ({"permanent-redirect": "/a", "permanent-redirect-code": "200"}, {"redirect": [301, "/a"]}),
    ({"permanent-redirect": "/a", "permanent-redirect-code": "309"}, {"redirect": [301, "/a"]}),
    ({"temporal-redirect": "https://x.example/"}, {"redirect": [302, "https://x.example/"]}),
    ({"temporal-redirect": "http://x.example", "temporal-redirect-code": "307"}, {"redirect": [307, "http://x.example"]}),
    ({"temporal-redirect": "http://x.example", "temporal-redirect-code": "308"}, {"redirect": [302, "http://x.example"]}),
    ({"app-root": "/app"}, {"app_root": "/app"}),
    ({"relative-redirects": "true"}, {"relative_redirects": True}),
    ({"enable-access-log": "false"}, {"access_log": False}),
    ({"enable-access-log": "true"}, {"access_log": True}),
    ({"rewrite-target": "/x/$1", "x-forwarded-prefix": "/p/$1"}, {"rewrite_target": "/x/$1", "forwarded_prefix": "/p/$1"}),
    ({"allowlist-source-range": "10.1.0.0/8, 192.0.2.1"}, {"allow": ["10.0.0.0/8", "192.0.2.1/32"]}),
    ({"whitelist-source-range": "10.0.0.0/8"}, {"allow": ["10.0.0.0/8"]}),
    ({"whitelist-source-range": "10.0.0.0/8", "allowlist-source-range": "::/0"}, {"allow": ["::/0"]}),
    ({"whitelist-source-range": "10.0.0.0/8", "allowlist-source-range": " "}, {"allow": ["10.0.0.0/8"]}),
    ({"custom-http-errors": "503, 404,503"}, {"custom_errors": [404, 503]}),
    ({"custom-http-errors": "404,", "disable-proxy-intercept-errors": "true"}, {"custom_errors": [404]}),
    ({"disable-proxy-intercept-errors": "true"}, {}),
    ({"upstream-vhost": "app.internal"}, {"upstream_vhost": ["app.internal"]}),
    ({"upstream-vhost": "$host"}, {"upstream_vhost": ["", "host", ""]}),
    ({"upstream-vhost": "a.$http_x_tenant.b"}, {"upstream_vhost": ["a.", "http_x_tenant", ".b"]}),
    ({"upstream-vhost": "${service_name}.$namespace:$server_port"}, {"upstream_vhost": ["web.shop:", "server_port", ""]}),
    ({"affinity": "cookie"}, {"affinity": True}),
    ({"affinity": "cookie", "session-cookie-name": "SID"}, {"affinity": True}),
    ({"load-balance": "ewma"}, {}),
    ({"upstream-hash-by": "$remote_addr"}, {}),
    ({"rewrite-target": "/x/$1"}, {"rewrite_target": "/x/$1"}),
    ({"rewrite-target": "/"}, {}),
    ({"rewrite-target": " /x "}, {"rewrite_target": "/x"}),
    ({"proxy-read-timeout": ""}, {}),
    ({"permanent-redirect": "  "}, {}),
    ({"fastcgi-index": "index.php"}, {"script_index": "index.php"}),
    ({"enable-opentelemetry": "true"}, {"opentelemetry": True}),
    ({"opentelemetry-trust-incoming-span": "false"}, {"opentelemetry_trust": False}),
    ({"opentelemetry-operation-name": "shop_front"}, {"opentelemetry_name": "shop_front"}),
]  # fmt: skip


REWRITES: list[tuple[dict[str, str], dict[str, list[str]]]] = [
    ({"proxy-redirect-from": "http://in/", "proxy-redirect-to": "/"}, {"redirect": ["http://in/", "/"]}),
    ({"proxy-cookie-domain": "in.example out.example"}, {"cookie_domain": ["in.example", "out.example"]}),
    ({"proxy-cookie-path": " /in/  / "}, {"cookie_path": ["/in/", "/"]}),
    ({"proxy-redirect-from": "off", "proxy-cookie-path": "off", "proxy-cookie-domain": "off"}, {}),
    ({"proxy-redirect-from": "default"}, {}),
    ({"proxy-redirect-from": "http://in/"}, {}),
    ({"proxy-redirect-to": "http://out/"}, {}),
    ({"proxy-cookie-domain": "one"}, {}),
    ({"proxy-cookie-path": "~^/x /y"}, {}),
]


@pytest.mark.parametrize(("annotations", "wanted"), REWRITES)
def test_rewriting_of_answers_is_data_and_one_profile(
    annotations: dict[str, str], wanted: dict[str, list[str]]
) -> None:
    """Whatever the texts: all routes that rewrite share the location."""
    world = with_annotations(annotations)
    (route,) = world.rules().values()
    assert route.settings == ({"answers": wanted} if wanted else {})
    assert route.profile == (Profile((("rewrites_answers", True),)).id if wanted else "")


@pytest.mark.parametrize(("annotations", "settings"), DATA)
def test_data(annotations: dict[str, str], settings: dict[str, Any]) -> None:
    """Data annotations are overrides of the route, and nothing else is."""
    world = with_annotations(annotations)
    (route,) = world.rules().values()
    assert route.settings == settings
    assert (route.profile, route.deny) == ("", "")
    assert world.kinds() <= {"ServiceNotFound"}


@pytest.mark.parametrize(
    ("annotations", "values"),
    [
        ({"proxy-body-size": "8m"}, (("body_size", 8 * 1024**2),)),
        ({"proxy-body-size": "0"}, (("body_size", 0),)),
        ({"proxy-buffering": "on"}, (("buffering", True),)),
        ({"proxy-buffering": "off", "proxy-body-size": "1K"}, (("body_size", 1024), ("buffering", False))),
        ({"backend-protocol": "HTTPS"}, (("protocol", "https"),)),
        ({"backend-protocol": "grpc"}, (("protocol", "grpc"),)),
        ({"backend-protocol": "Grpcs"}, (("protocol", "grpcs"),)),
        ({"backend-protocol": "FCGI"}, (("protocol", "fcgi"),)),
        ({"backend-protocol": "auto_http"}, (("protocol", "auto_http"),)),
        ({"connection-proxy-header": "keep-alive"}, (("connection", "keep-alive"),)),
        ({"proxy-request-buffering": "off"}, (("request_buffering", False),)),
        ({"client-body-buffer-size": "1M"}, (("client_body_buffer_size", 2**20),)),
        ({"proxy-buffers-number": "8"}, (("buffers_number", 8),)),
        ({"proxy-buffer-size": "16k"}, (("buffer_size", 2**14),)),
        ({"proxy-busy-buffers-size": "8k"}, (("busy_buffers_size", 2**13),)),
        ({"proxy-max-temp-file-size": "0"}, (("max_temp_file_size", 0),)),
        ({"proxy-http-version": "1.0"}, (("http_version", "1.0"),)),
        ({"proxy-next-upstream": "timeout  http_502 error"}, (("next_upstream", "error timeout http_502"),)),
        ({"proxy-next-upstream": "error off"}, (("next_upstream", "off"),)),
        ({"proxy-next-upstream-timeout": "9"}, (("tries_timeout", 9),)),
    ],
)
def test_profiles(annotations: dict[str, str], values: tuple[tuple[str, int | bool | str], ...]) -> None:
    """What only nginx's configuration can hold is a profile, shared by all routes with the same values."""
    world = World(simple(annotations=annotations), simple("two", "two.example", annotations=annotations))
    profile = Profile(values)
    assert world.translator.profiles == {profile.id: profile}
    assert world.rules()["p/"].profile == world.rules("two.example")["p/"].profile == profile.id
    assert world.rules()["p/"].settings.keys() <= {"backend_tls"}


def test_profiles_come_and_go_with_their_routes() -> None:
    """The set of profiles is handed out when it changes; a route remembers the profile that it had before."""
    world = World(simple())
    big, small = Profile((("body_size", 2**20),)), Profile((("body_size", 2**10),))
    world.translator.apply([simple(annotations={"proxy-body-size": "1m"})])
    assert world.translator.step().profiles == {big.id: big}
    assert world.rules()["p/"].profile_before == ""
    world.translator.apply([simple(annotations={"proxy-body-size": "1k"})])
    assert world.translator.step().profiles == {small.id: small}
    assert world.rules()["p/"].profile_before == big.id
    world.translator.apply([simple(annotations={"proxy-body-size": "1k", "proxy-read-timeout": "9"})])
    assert world.translator.step().profiles is None
    assert world.rules()["p/"].profile_before == big.id
    world.translator.apply([simple()])
    assert world.translator.step().profiles == {}
    assert (world.rules()["p/"].profile, world.rules()["p/"].profile_before) == ("", small.id)


# --- invalid values ---------------------------------------------------------------------------------------------------

INVALID: list[tuple[str, str, Effect]] = [
    ("ssl-redirect", "yes", Effect.IGNORED),
    ("force-ssl-redirect", "on", Effect.IGNORED),
    ("rewrite-target", "/a b", Effect.IGNORED),
    ("rewrite-target", "/x;}", Effect.IGNORED),
    ("use-regex", "maybe", Effect.IGNORED),
    ("permanent-redirect", "http://x.example/;return 200", Effect.REFUSED),
    ("permanent-redirect", "http://x.example\n", Effect.REFUSED),
    ("permanent-redirect", "http://x.example/$host", Effect.REFUSED),
    ("permanent-redirect-code", "many", Effect.REFUSED),
    ("temporal-redirect", "https://x.example/#a", Effect.REFUSED),
    ("temporal-redirect-code", "many", Effect.REFUSED),
    ("app-root", "app", Effect.IGNORED),
    ("app-root", "/a b", Effect.IGNORED),
    ("relative-redirects", "yes", Effect.REFUSED),
    ("enable-access-log", "no", Effect.IGNORED),
    ("x-forwarded-prefix", "/a;b", Effect.REFUSED),
    ("custom-http-errors", "404,200", Effect.REFUSED),
    ("custom-http-errors", "302", Effect.REFUSED),
    ("custom-http-errors", "499", Effect.REFUSED),
    ("custom-http-errors", "404503", Effect.REFUSED),
    ("custom-http-errors", ",404", Effect.REFUSED),
    ("custom-http-errors", "404 @x;}", Effect.REFUSED),
    ("default-backend", "Pages", Effect.REFUSED),
    ("default-backend", "other/pages", Effect.REFUSED),
    ("disable-proxy-intercept-errors", "yes", Effect.IGNORED),
    ("proxy-connect-timeout", "5s", Effect.IGNORED),
    ("proxy-connect-timeout", "0", Effect.IGNORED),
    ("proxy-read-timeout", "-1", Effect.IGNORED),
    ("proxy-next-upstream-tries", "-1", Effect.IGNORED),
    ("proxy-next-upstream-tries", "many", Effect.IGNORED),
    ("proxy-body-size", "8t", Effect.IGNORED),
    ("proxy-body-size", "8m; x", Effect.IGNORED),
    ("proxy-buffering", "true", Effect.IGNORED),
    ("service-upstream", "ja", Effect.IGNORED),
    ("backend-protocol", "SPDY", Effect.IGNORED),
    ("connection-proxy-header", "upgrade", Effect.REFUSED),
    ("fastcgi-index", "../index.php", Effect.REFUSED),
    ("fastcgi-params-configmap", "a b", Effect.REFUSED),
    ("proxy-ssl-secret", "no-namespace", Effect.REFUSED),
    ("proxy-ssl-verify", "yes", Effect.DENIED),
    ("proxy-ssl-verify-depth", "-1", Effect.IGNORED),
    ("proxy-ssl-ciphers", "A;B", Effect.IGNORED),
    ("proxy-ssl-protocols", "SSLv3", Effect.IGNORED),
    ("proxy-ssl-name", "$host", Effect.IGNORED),
    ("proxy-ssl-server-name", "yes", Effect.IGNORED),
    ("proxy-request-buffering", "yes", Effect.IGNORED),
    ("client-body-buffer-size", "1g", Effect.REFUSED),
    ("proxy-buffers-number", "1", Effect.IGNORED),
    ("proxy-buffer-size", "1g", Effect.IGNORED),
    ("proxy-http-version", "2", Effect.IGNORED),
    ("proxy-next-upstream", "error http_418", Effect.IGNORED),
    ("upstream-vhost", "a b", Effect.REFUSED),
    ("upstream-vhost", "$secret", Effect.REFUSED),
    ("upstream-vhost", "a$", Effect.REFUSED),
    ("upstream-vhost", 'x";', Effect.REFUSED),
    ("allowlist-source-range", "10.0.0.0/8,nonsense", Effect.DENIED),
    ("whitelist-source-range", "10.0.0.0/33", Effect.DENIED),
    ("canary", "yes", Effect.IGNORED),
    ("load-balance", "ip_hash", Effect.IGNORED),
    ("affinity", "ip", Effect.IGNORED),
    ("affinity-mode", "sticky", Effect.IGNORED),
    ("affinity-canary-behavior", "old", Effect.IGNORED),
    ("upstream-hash-by", "$secret", Effect.REFUSED),
    ("upstream-hash-by", "a b", Effect.REFUSED),
    ("upstream-hash-by", "${", Effect.REFUSED),
    ("upstream-hash-by-subset", "yes", Effect.REFUSED),
    ("upstream-hash-by-subset-size", "many", Effect.REFUSED),
    ("session-cookie-name", "a b", Effect.IGNORED),
    ("session-cookie-path", "/; Secure", Effect.IGNORED),
    ("session-cookie-domain", "x;y", Effect.IGNORED),
    ("session-cookie-expires", "1h", Effect.IGNORED),
    ("session-cookie-max-age", "soon", Effect.IGNORED),
    ("session-cookie-samesite", "maybe", Effect.IGNORED),
    ("session-cookie-secure", "on", Effect.IGNORED),
    ("session-cookie-conditional-samesite-none", "on", Effect.IGNORED),
    ("session-cookie-change-on-failure", "on", Effect.IGNORED),
]


@pytest.mark.parametrize(("name", "value", "effect"), INVALID)
def test_invalid_values(name: str, value: str, effect: Effect) -> None:
    """A refused Ingress does not appear, a denied one answers 503, and else the default holds (reference, "invalid")."""
    world = with_annotations({name: value})
    finding = world.finding("InvalidValue")
    assert (finding.effect, finding.field) == (effect, f"metadata.annotations[{PREFIX}{name}]")
    assert finding.accepted
    if effect is Effect.REFUSED:
        assert world.keys("h/") == []
        return
    (route,) = world.rules().values()
    assert bool(route.deny) is (effect is Effect.DENIED)
    assert route.settings == {}
    assert not world.host().regex


def test_validation_can_be_switched_off() -> None:
    """--enable-annotation-validation=false: odd characters pass as data; numbers are still numbers."""
    options = msgspec.structs.replace(FOLDER, enable_annotation_validation=False)
    world = World(
        simple(annotations={"rewrite-target": "/a b;{}", "proxy-read-timeout": "x"}), options=options
    )
    assert world.rules()["p/"].settings == {"rewrite_target": "/a b;{}"}


def test_an_invalid_service_upstream_is_false() -> None:
    """Not the ConfigMap's value (reference a.2)."""
    options = msgspec.structs.replace(FOLDER, configmap="shop/config")
    config = load("ConfigMap", "config", data={"service-upstream": "true"})
    address = load("Service", "web", spec={"clusterIP": "10.9.9.9", "ports": [{"port": 80}]})
    assert World(config, address, simple(), options=options).addresses() == ["10.9.9.9:80"]
    world = World(config, address, simple(annotations={"service-upstream": "ja"}), options=options)
    assert world.addresses() == []
    assert "counts as false" in world.finding("InvalidValue").message


# --- names ------------------------------------------------------------------------------------------------------------


def test_every_annotation_of_the_reference_is_known() -> None:
    """136 names; what is declared is among them, with the same risk."""
    assert len(known.all_names()) == 136
    assert {declared.name: declared.risk for declared in registry.ANNOTATIONS} == {
        name: known.risk_of(name) for name in registry.supported()
    }


def test_declarations_are_whole() -> None:
    """No name or alias is declared twice, each says what it is about, and each target is used once."""
    names = [name for declared in registry.ANNOTATIONS for name in (declared.name, *declared.aliases)]
    assert len(names) == len(set(names))
    assert all(declared.about.endswith(".") for declared in registry.ANNOTATIONS)
    targets = [declared.target for declared in registry.ANNOTATIONS]
    assert len(targets) == len(set(targets))


@pytest.mark.parametrize("name", sorted(registry.unsupported()))
def test_what_is_not_supported_is_told(name: str) -> None:
    """A protection denies the Ingress, a risk above the level refuses it, anything else is ignored; never silently."""
    world = with_annotations({name: "true"})
    risk = known.risk_of(name)
    if risk is Risk.CRITICAL:
        assert world.finding("AnnotationRisk").effect is Effect.REFUSED
        assert world.keys("h/") == []
    elif known.asks_for_protection(name, "true"):
        assert world.finding("NotSupportedYet").effect is Effect.DENIED
        assert "fails closed" in world.finding("NotSupportedYet").message
        assert world.rules()["p/"].deny
    else:
        assert world.finding("NotSupportedYet").effect is Effect.IGNORED
        assert not world.rules()["p/"].deny


@pytest.mark.parametrize(
    ("name", "value", "denied"),
    [
        ("auth-url", "https://auth.example", True),
        ("auth-type", "basic", True),
        ("denylist-source-range", "10.0.0.0/8", True),
        ("limit-rps", "10", True),
        ("limit-rps", "0", False),
        ("limit-whitelist", "10.0.0.0/8", True),
        ("satisfy", "any", True),
        ("enable-modsecurity", "true", True),
        ("enable-modsecurity", "false", False),
        ("enable-global-auth", "false", False),
        ("enable-cors", "true", False),
        ("auth-url", "", False),
    ],
)
def test_protections_fail_closed(name: str, value: str, denied: bool) -> None:  # noqa: FBT001
    """A protection that is not there yet closes its routes, unless its value says that it is off."""
    assert bool(with_annotations({name: value}).rules()["p/"].deny) is denied


def test_unknown_names_are_warned_about() -> None:
    """With the name that was probably meant; other prefixes are other people's."""
    world = with_annotations({"proxy-bodysize": "8m"})
    finding = world.finding("UnknownAnnotation")
    assert (finding.effect, finding.accepted) == (Effect.WARNING, PREFIX + "proxy-body-size")
    assert "AnnotationGone" in with_annotations({"secure-backends": "true"}).kinds()
    plain = load("Ingress", "web", annotations={"example.com/x": "1"}, spec={"rules": [rule("h", path())]})
    assert World(plain).kinds() == {"ServiceNotFound"}


def test_another_prefix() -> None:
    """--annotations-prefix: only that prefix counts; the usual one is told about."""
    options = msgspec.structs.replace(FOLDER, annotations_prefix="gw.example.com")
    notes = {"gw.example.com/proxy-read-timeout": "7", PREFIX + "proxy-send-timeout": "8"}
    world = World(
        load("Ingress", "web", annotations=notes, spec={"rules": [rule("shop.example", path())]}),
        options=options,
    )
    assert world.rules()["p/"].settings == {"read_timeout": 7}
    assert world.finding("WrongPrefix").field == f"metadata.annotations[{PREFIX}proxy-send-timeout]"


# --- policy -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "name", "value", "allowed"),
    [
        ("Low", "force-ssl-redirect", "true", False),
        ("low", "ssl-redirect", "true", True),
        ("Medium", "force-ssl-redirect", "true", True),
        ("Medium", "server-alias", "x.example", False),
        ("High", "server-alias", "x.example", True),
        ("High", "configuration-snippet", "deny all;", False),
        ("Low", "whitelist-source-range", "10.0.0.0/8", False),
    ],
)
def test_risk_level(level: str, name: str, value: str, allowed: bool) -> None:  # noqa: FBT001
    """ConfigMap key annotations-risk-level: an annotation above it refuses the Ingress, aliases too (reference a.0)."""
    options = msgspec.structs.replace(FOLDER, configmap="shop/config")
    config = load("ConfigMap", "config", data={"annotations-risk-level": level})
    world = World(config, simple(annotations={name: value}), options=options)
    assert ("AnnotationRisk" not in world.kinds()) is allowed
    assert (world.keys("h/") != []) is allowed


def test_snippets_fail_closed_where_their_risk_is_allowed() -> None:
    """They may hold a protection, and nothing can tell."""
    options = msgspec.structs.replace(FOLDER, configmap="shop/config")
    config = load(
        "ConfigMap",
        "config",
        data={"annotations-risk-level": "Critical", "allow-snippet-annotations": "true"},
    )
    world = World(config, simple(annotations={"server-snippet": "deny all;"}), options=options)
    assert world.rules()["p/"].deny


def test_forbidden_words() -> None:
    """ConfigMap key annotation-value-word-blocklist."""
    options = msgspec.structs.replace(FOLDER, configmap="shop/config")
    config = load("ConfigMap", "config", data={"annotation-value-word-blocklist": "load_module, lua_package"})
    world = World(config, simple(annotations={"upstream-vhost": "x_load_module"}), options=options)
    assert world.finding("ForbiddenWord").effect is Effect.REFUSED
    assert world.keys("h/") == []


# --- the matrix -------------------------------------------------------------------------------------------------------

WORDS = re.compile(r"[A-Za-z0-9._ -]*")

HOSTILE = [
    "; daemon off", "{", "}", "a\nb", "a\rb", "\t", "$var", "${", '"', "'", "\\", "#", "\x00", "\u2028", "%0a", "x" * 65536,
    "content_by_lua_block{", "*/", "../../etc/passwd", "\ufeff", "\x7f",
]  # fmt: skip


@pytest.mark.parametrize("declared", registry.ANNOTATIONS, ids=lambda declared: declared.name)
def test_hostile_values_travel_as_data_or_not_at_all(declared: Annotation) -> None:
    """C1: whatever is written into an annotation, profiles hold only numbers, booleans and words of closed sets."""
    for value in HOSTILE:
        for text in (value, "http://x.example/" + value, "1" + value, "/" + value):
            world = with_annotations({declared.name: text})
            for profile in world.translator.profiles.values():
                assert all(isinstance(held, int) or WORDS.fullmatch(held) for _, held in profile.values)
            for server in world.translator.servers.values():
                assert (server.host, server.authorities) == ("shop.example", "")
                assert re.fullmatch(r"[A-Za-z0-9:!+@=_-]*", server.ciphers)
            for findings in world.findings.values():
                assert all(len(found.value) <= 200 and found.value.isprintable() for found in findings)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(known.all_names())), st.text(max_size=20), max_size=6))
def test_any_annotations_are_read(annotations: dict[str, str]) -> None:
    """No value makes the translator fail."""
    world = World(ingress("web", rule("shop.example", path()), annotations=annotations))
    assert world.translator.pending == 0
