"""The global ConfigMap: its keys, their defaults, and bad values (reference, b)."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.translate.objects import FOLDER, World, gone, load, simple
from tidegate.findings import Effect
from tidegate.model import NodeSettings, Settings
from tidegate.translate.interpret import keys

OPTIONS = msgspec.structs.replace(FOLDER, configmap="shop/config")

DEFAULTS = {
    "ssl_reject_handshake": False,
    "ssl_redirect": True,
    "force_ssl_redirect": False,
    "preserve_trailing_slash": False,
    "use_port_in_redirects": False,
    "relative_redirects": False,
    "http_redirect_code": 308,
    "no_tls_redirect_locations": ["/.well-known/acme-challenge"],
    "connect_timeout": 5,
    "send_timeout": 60,
    "read_timeout": 60,
    "tries": 3,
    "allow": [],
    "load_balance": "round_robin",
    "custom_errors": [],
    "opentelemetry": False,
    "opentelemetry_trust": True,
    "opentelemetry_name": "",
    "otel_sampler": "AlwaysOn",
    "otel_ratio": 0.01,
    "otel_parent_based": True,
}


def configured(**data: str) -> World:
    return with_data({name.replace("_", "-"): value for name, value in data.items()})


def with_data(data: dict[str, str]) -> World:
    return World(load("ConfigMap", "config", data=data), options=OPTIONS)


def settings_of(world: World) -> Settings:
    found = world.entry("g")
    assert isinstance(found, Settings)
    return found


def test_defaults() -> None:
    """b: every data key has its built-in value, with or without a ConfigMap; nothing counts as explicit."""
    for world in (World(options=OPTIONS), with_data({})):
        assert settings_of(world).values == DEFAULTS
        assert settings_of(world).explicit == ()
        assert world.translator.node == NodeSettings()


DATA: list[tuple[str, str, str, Any]] = [
    ("ssl-redirect", "false", "ssl_redirect", False),
    ("force-ssl-redirect", "true", "force_ssl_redirect", True),
    ("http-redirect-code", "301", "http_redirect_code", 301),
    ("no-tls-redirect-locations", "/a, /b", "no_tls_redirect_locations", ["/a", "/b"]),
    ("no-tls-redirect-locations", "", "no_tls_redirect_locations", []),
    ("proxy-connect-timeout", "1", "connect_timeout", 1),
    ("proxy-next-upstream-tries", "1", "tries", 1),
    ("whitelist-source-range", "10.0.0.0/8", "allow", ["10.0.0.0/8"]),
    ("ssl-redirect", "", "ssl_redirect", False),
    ("enable-opentelemetry", "true", "opentelemetry", True),
    ("otel-sampler", "TraceIdRatioBased", "otel_sampler", "TraceIdRatioBased"),
    ("otel-sampler-ratio", "0.25", "otel_ratio", 0.25),
]


@pytest.mark.parametrize(("name", "text", "key", "value"), DATA)
def test_data(name: str, text: str, key: str, value: Any) -> None:
    """A key replaces the built-in value, and is known to be explicit."""
    found = settings_of(with_data({name: text}))
    assert found.values == DEFAULTS | {key: value}
    assert found.explicit == (key,)


NODE: list[tuple[str, str, str, Any]] = [
    ("worker-processes", "4", "workers", 4),
    ("worker-processes", "auto", "workers", 1),
    ("max-worker-connections", "1024", "worker_connections", 1024),
    ("worker-shutdown-timeout", "10s", "worker_shutdown_timeout", 10),
    ("keep-alive", "100", "keepalive_timeout", 100),
    ("large-client-header-buffers", "8 16k", "large_client_header_buffers", (8, 16384)),
    ("client-header-buffer-size", "2k", "client_header_buffer_size", 2048),
    ("use-http2", "false", "http2", False),
    ("proxy-body-size", "10m", "body_size", 10 * 2**20),
    ("proxy-body-size", "0", "body_size", 0),
    ("proxy-buffering", "on", "buffering", True),
    ("proxy-read-timeout", "3", "read_timeout", 3),
    ("bind-address", "10.0.0.1,[fd00::1]", "bind_addresses", ("10.0.0.1", "fd00::1")),
    ("disable-ipv6", "true", "bind_addresses", ("0.0.0.0",)),
    ("upstream-keepalive-time", "1h", "upstream_keepalive_time", 3600),
    ("upstream-keepalive-connections", "0", "upstream_keepalive_connections", 0),
    ("use-forwarded-headers", "true", "use_forwarded_headers", True),
    ("proxy-real-ip-cidr", "10.0.0.1/8, ::1", "real_ip_cidrs", ("10.0.0.0/8", "::1/128")),
    ("forwarded-for-header", "X-Client", "forwarded_for_header", "X-Client"),
    ("ssl-protocols", "TLSv1.3", "ssl_protocols", ("TLSv1.3",)),
    ("ssl-ciphers", "HIGH:!aNULL", "ssl_ciphers", "HIGH:!aNULL"),
    ("ssl-session-timeout", "1d", "ssl_session_timeout", 86400),
    ("ssl-buffer-size", "8k", "ssl_buffer_size", 8192),
    ("otlp-collector-host", "otel.observability.svc", "otlp_host", "otel.observability.svc"),
    ("otlp-collector-host", "[fd00::1]", "otlp_host", "fd00::1"),
    ("otlp-collector-port", "4317", "otlp_port", 4317),
    ("otel-max-queuesize", "10", "otel_queue", 10),
]


@pytest.mark.parametrize(("name", "text", "field", "value"), NODE)
def test_node(name: str, text: str, field: str, value: Any) -> None:
    """Keys that nginx takes from its configuration are typed values of the node, over what flags said."""
    world = with_data({name: text})
    assert getattr(world.translator.node, field) == value
    assert world.findings == {}


BAD = [
    ("ssl-redirect", "yes"),
    ("http-redirect-code", "200"),
    ("proxy-connect-timeout", "5s"),
    ("proxy-connect-timeout", "0"),
    ("proxy-connect-timeout", "1; x"),
    ("proxy-body-size", "1t"),
    ("worker-processes", "many"),
    ("worker-processes", "0"),
    ("keep-alive", "-1"),
    ("large-client-header-buffers", "8k"),
    ("ssl-protocols", "TLSv1.2; include /etc/passwd"),
    ("ssl-ciphers", 'HIGH";\n'),
    ("forwarded-for-header", "X Y"),
    ("forwarded-for-header", "X;Y"),
    ("proxy-real-ip-cidr", "everyone"),
    ("bind-address", "localhost"),
    ("annotations-risk-level", "Extreme"),
    ("worker-shutdown-timeout", "-5s"),
    ("otel-sampler-ratio", "1.5"),
    ("otel-sampler-ratio", "nan"),
    ("otlp-collector-host", "a b/c"),
    ("otel-sampler", "Sometimes"),
]


@pytest.mark.parametrize(("name", "text"), BAD)
def test_bad_values(name: str, text: str) -> None:
    """b: a value of the wrong type is told, and its default holds; other keys are not concerned."""
    world = with_data({name: text, "http2-max-concurrent-streams": "7"})
    finding = world.finding("InvalidValue")
    assert (finding.object, finding.field, finding.effect) == (
        "ConfigMap shop/config",
        f"data[{name}]",
        Effect.IGNORED,
    )
    assert finding.accepted
    assert settings_of(world).values == DEFAULTS
    assert world.translator.node == NodeSettings(http2_max_concurrent_streams=7)


def test_a_broken_allow_list_lets_nobody_more_in() -> None:
    """What can be read of it holds; if nothing can, nobody gets in, rather than everybody."""
    assert settings_of(with_data({"whitelist-source-range": "10.0.0.0/8,x"})).values["allow"] == [
        "10.0.0.0/8"
    ]
    assert settings_of(with_data({"whitelist-source-range": "x"})).values["allow"] == ["255.255.255.255/32"]
    assert settings_of(with_data({"whitelist-source-range": "x"})).explicit == ("allow",)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("use-gzip", "NotSupportedYet"),
        ("http-snippet", "NotSupportedYet"),
        ("upstream-hash-by", "NoEffect"),
        ("proxy-bodysize", "UnknownKey"),
    ],
)
def test_other_keys(name: str, kind: str) -> None:
    """Known, but not supported; never of any effect; unknown: each is told."""
    world = with_data({name: "true"})
    assert world.kinds() == {kind}
    assert settings_of(world).values == DEFAULTS


@pytest.mark.parametrize("name", sorted(keys.PROTECTIONS))
def test_protections_fail_closed(name: str) -> None:
    """A global protection that is not there yet closes every route until it is taken back, or its value is off."""
    world = World(load("ConfigMap", "config", data={name: "true"}), simple(), options=OPTIONS)
    assert world.rules()["p/"].deny
    assert world.finding("NotSupportedYet").effect is Effect.DENIED
    world.tell(load("ConfigMap", "config", data={name: "false"}))
    assert not world.rules()["p/"].deny
    world.tell(load("ConfigMap", "config", data={name: "true"}))
    world.tell(gone(load("ConfigMap", "config")))
    assert not world.rules()["p/"].deny


def test_another_configmap_is_nobodys() -> None:
    """Only the one of --configmap is read."""
    world = World(load("ConfigMap", "other", data={"ssl-redirect": "false"}), options=OPTIONS)
    assert settings_of(world).values == DEFAULTS


def test_a_change_that_concerns_no_ingress_touches_none() -> None:
    """Data settings are one entry: routes hold only overrides."""
    world = World(simple(), options=OPTIONS)
    assert set(world.tell(load("ConfigMap", "config", data={"proxy-read-timeout": "3"}))) == {
        "g",
        "o/ConfigMap/shop/config",
    }


def test_keys_are_declared_once() -> None:
    """Each key stands in one table, has a default for its data key, and says what it is about."""
    tables = [frozenset(keys.BY_NAME), keys.ACCEPTED, keys.NOT_YET, keys.PROTECTIONS, keys.DEAD]
    assert sum(map(len, tables)) == len(frozenset().union(*tables))
    assert len(keys.BY_NAME) == len(keys.KEYS)
    for key in keys.KEYS:
        assert key.data or key.node or key.policy
        assert not key.data or key.default is not None
        assert key.about.endswith(".")
        assert not key.node or hasattr(NodeSettings(), key.node)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([key.name for key in keys.KEYS]) | st.text(max_size=9),
        st.text(max_size=20),
        max_size=5,
    )
)
def test_any_data_is_read(data: dict[str, str]) -> None:
    """No value makes the translator fail, and node settings stay of their types."""
    world = with_data(data)
    node, usual = world.translator.node, NodeSettings()
    for field in usual.__struct_fields__:
        assert type(getattr(node, field)) is type(getattr(usual, field))


@pytest.mark.parametrize(
    ("name", "value", "field", "wanted"),
    [
        ("ssl-ecdh-curve", "X25519:prime256v1", "ssl_ecdh_curve", "X25519:prime256v1"),
        ("ssl-early-data", "true", "ssl_early_data", True),
        ("ssl-session-cache", "false", "ssl_session_cache", False),
        ("enable-ocsp", "true", "ocsp_stapling", True),
        ("hsts", "false", "hsts", False),
        ("hsts-max-age", "1", "hsts_max_age", 1),
        ("hsts-include-subdomains", "false", "hsts_include_subdomains", False),
        ("hsts-preload", "true", "hsts_preload", True),
        ("ssl-ecdh-curve", "X25519; include /etc/passwd", "ssl_ecdh_curve", "auto"),
        ("ssl-session-ticket-key", "c2VjcmV0", "ssl_session_ticket_key", ""),
        ("ssl-dh-param", "shop/gone", "ssl_dh_param", ""),
    ],
)
def test_keys_about_tls(name: str, value: str, field: str, wanted: object) -> None:
    """b.6; what cannot be read is the default, and a key is never shown."""
    world = with_data({name: value})
    assert getattr(world.translator.node, field) == wanted
    assert "c2VjcmV0" not in str(world.findings)


def test_documents_of_node_settings_are_named_by_their_content() -> None:
    """The settings hold the names only; parameters come from a Secret, written anew."""
    key = base64.b64encode(bytes(range(80))).decode()
    parameters = base64.b64encode(bytes(256)).decode()
    pem = f"-----BEGIN DH PARAMETERS-----\n{parameters}\n-----END DH PARAMETERS-----\n"
    secret = load("Secret", "dh", namespace="shop", stringData={"dhparam.pem": pem})
    config = load("ConfigMap", "config", data={"ssl-session-ticket-key": key, "ssl-dh-param": "shop/dh"})
    world = World(config, secret, options=OPTIONS)
    node, documents = world.translator.node, world.translator.documents
    assert documents[node.ssl_session_ticket_key].encode("latin-1") == bytes(range(80))
    assert "".join(documents[node.ssl_dh_param].split("\n")[1:-2]) == parameters
