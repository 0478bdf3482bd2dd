"""Certificates by server name with every fallback (reference g.8), and redirects to HTTPS (g.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harness import certs, http, http2, manifests
from harness.certs import Authority, Pair
from harness.gateway import Gateway
from harness.manifests import path, rule, tls_secret
from harness.services import Services


@pytest.fixture(scope="module")
def fallback(authority: Authority) -> Pair:
    """Give the certificate of ``--default-ssl-certificate``."""
    return authority.issue("fallback.example")


@pytest.fixture(scope="module")
def gateway(fallback: Pair) -> Iterator[Gateway]:
    secret = tls_secret("fallback", fallback, namespace="system")
    with Gateway([secret], args=["--default-ssl-certificate", "system/fallback"]) as started:
        yield started


def shown(gateway: Gateway, sni: str | None) -> int:
    """Give the serial number of the certificate that a client is shown."""
    with http.Connection(gateway.https_port, tls=certs.credulous(), sni=sni) as connection:
        return connection.certificate().serial_number


def secure(services: Services, host: str, pair: Pair | None, **options: object) -> list[dict[str, object]]:
    """Give a host with a TLS section, and its Secret."""
    made = services.make("web")
    if pair is not None:
        made.append(tls_secret("pair", pair, namespace=services.namespace))
    return [*made, services.ingress("web", rule(host, path("/", "web")), tls=[([host], "pair")], **options)]


def test_a_server_name_is_shown_its_certificate_and_reaches_its_backend(
    gateway: Gateway, services: Services, host: str, authority: Authority
) -> None:
    """A client that trusts only the issuer is content."""
    pair = authority.issue(host)
    gateway.apply(*secure(services, host, pair))
    answer = gateway.get_tls(host, tls=authority.client())
    assert answer.backend == services.instance("web")
    assert shown(gateway, host) == pair.serial
    assert shown(gateway, host.upper()) == pair.serial


def test_http2_is_spoken_where_the_client_can(
    gateway: Gateway, services: Services, host: str, authority: Authority
) -> None:
    """By ALPN on the TLS port, with prior knowledge on the plain one."""
    gateway.apply(*secure(services, host, authority.issue(host), annotations={"ssl-redirect": "false"}))
    with http2.Connection(gateway.https_port, tls=authority.client(alpn=("h2",)), sni=host) as connection:
        assert connection.ask("/x", host=host).echo.get("X-Forwarded-Proto") == ["https"]
    with http2.Connection(gateway.http_port) as connection:
        assert connection.ask("/x", host=host).echo.get("X-Forwarded-Proto") == ["http"]


def test_a_wildcard_certificate_serves_names_below(
    gateway: Gateway, services: Services, host: str, authority: Authority
) -> None:
    """One label; more get the default certificate."""
    pair = authority.issue(f"*.{host}")
    gateway.apply(*secure(services, f"*.{host}", pair))
    assert shown(gateway, f"a.{host}") == pair.serial
    assert gateway.get_tls(f"a.{host}", tls=authority.client()).status == 200
    assert shown(gateway, f"b.a.{host}") != pair.serial


@pytest.mark.parametrize("sni", [None, "nobody.example"])
def test_no_or_an_unknown_server_name_gets_the_default_certificate(
    gateway: Gateway, fallback: Pair, sni: str | None
) -> None:
    """That of the flag."""
    assert shown(gateway, sni) == fallback.serial


def test_a_missing_secret_means_the_default_certificate_until_it_appears(
    gateway: Gateway, services: Services, host: str, authority: Authority, fallback: Pair
) -> None:
    """The host counts as TLS all the same."""
    gateway.apply(*secure(services, host, None))
    assert shown(gateway, host) == fallback.serial
    assert gateway.get(host).status == 308
    pair = authority.issue(host)
    gateway.apply(tls_secret("pair", pair, namespace=services.namespace))
    assert shown(gateway, host) == pair.serial


def test_a_certificate_for_another_name_means_the_default_one(
    gateway: Gateway, services: Services, host: str, authority: Authority, fallback: Pair
) -> None:
    """Never a certificate that does not cover the host."""
    gateway.apply(*secure(services, host, authority.issue("quite.different.example")))
    assert shown(gateway, host) == fallback.serial


BROKEN: dict[str, Callable[[Pair, Pair, Authority, str], Pair]] = {
    "key of another": lambda good, other, _, __: Pair(other.chain, good.key),
    "empty": lambda _, __, ___, ____: Pair("", ""),
    "expired": lambda _, __, authority, host: authority.issue(host, days=-1),
    "chain of a megabyte": lambda _, other, __, ___: Pair(
        other.chain * (2**20 // len(other.chain)), other.key
    ),
    "certificate cut short": lambda _, other, __, ___: Pair(other.chain[:-200], other.key),
    "key where the certificate belongs": lambda _, other, __, ___: Pair(other.key, other.key),
    "issuer first": lambda _, other, authority, __: Pair(authority.pem + other.chain, other.key),
}


@pytest.mark.parametrize("what", [*BROKEN, "wrong type"])
def test_a_broken_secret_keeps_the_pair_before(
    gateway: Gateway, services: Services, host: str, authority: Authority, what: str
) -> None:
    """G5: it never takes a working host down, nor its neighbor; it is told; and the next good pair is shown."""
    good, other = authority.issue(host), authority.issue(host)
    neighbor = authority.issue(f"neighbor-{host}")
    objects = [
        *secure(services, host, good),
        tls_secret("neighbor", neighbor, namespace=services.namespace),
        services.ingress(
            "neighbor",
            rule(f"neighbor-{host}", path("/", "web")),
            tls=[([f"neighbor-{host}"], "neighbor")],
        ),
    ]

    def with_secret(made: dict[str, object]) -> list[dict[str, object]]:
        return [made if o["kind"] == "Secret" and o["metadata"]["name"] == "pair" else o for o in objects]

    name = gateway.apply(*objects)
    assert shown(gateway, host) == good.serial
    if what == "wrong type":
        broken = manifests.secret("pair", {"auth": "me:secret"}, namespace=services.namespace)
    else:
        pair = BROKEN[what](good, other, authority, host)
        broken = tls_secret("pair", pair, namespace=services.namespace)
    gateway.apply(*with_secret(broken), name=name)
    assert shown(gateway, host) == good.serial
    assert gateway.get_tls(host, tls=authority.client()).status == 200
    assert shown(gateway, f"neighbor-{host}") == neighbor.serial
    told = gateway.run("findings", "--output", "json").stdout
    assert f'"Secret {services.namespace}/pair"' in told
    assert "PRIVATE" not in told
    gateway.apply(*with_secret(tls_secret("pair", other, namespace=services.namespace)), name=name)
    assert shown(gateway, host) == other.serial


def test_a_tls_section_without_hosts_lends_its_certificate_to_hosts_it_covers(
    gateway: Gateway, services: Services, host: str, authority: Authority
) -> None:
    """Any Secret of the Ingress whose certificate covers the host."""
    pair = authority.issue(host)
    gateway.apply(
        *services.make("web"),
        tls_secret("pair", pair, namespace=services.namespace),
        services.ingress("web", rule(host, path("/", "web")), tls=[([], "pair")]),
    )
    assert shown(gateway, host) == pair.serial


def test_the_oldest_ingress_with_a_tls_section_decides(
    gateway: Gateway, services: Services, host: str, authority: Authority
) -> None:
    """A later one cannot take the name over."""
    old, new = authority.issue(host), authority.issue(host)
    gateway.apply(
        *services.make("web"),
        tls_secret("old", old, namespace=services.namespace),
        tls_secret("new", new, namespace=services.namespace),
        *(
            services.ingress(name, rule(host, path(f"/{name}", "web")), tls=[([host], name)], created=created)
            for name, created in (("new", "2024-02-02T00:00:00Z"), ("old", "2024-01-01T00:00:00Z"))
        ),
    )
    assert shown(gateway, host) == old.serial


def test_a_renewed_certificate_is_shown_without_a_reload(
    gateway: Gateway, services: Services, host: str, authority: Authority
) -> None:
    """And the connections that are open go on."""
    first, second = authority.issue(host), authority.issue(host)
    objects = secure(services, host, first)
    name = gateway.apply(*objects)
    reloads = gateway.reloads
    with http.Connection(gateway.https_port, tls=authority.client(), sni=host) as connection:
        assert connection.ask("/", host=host).status == 200
        renewed = tls_secret("pair", second, namespace=services.namespace)
        gateway.apply(*[renewed if o["kind"] == "Secret" else o for o in objects], name=name)
        assert shown(gateway, host) == second.serial
        assert connection.ask("/", host=host).status == 200
    assert gateway.reloads == reloads


# --- redirects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "location"),
    [("/a?b=c", "/a?b=c"), ("/", ""), ("/a/", "/a"), ("/%61//b?x=/y", "/%61//b?x=/y")],
)
def test_plain_http_to_a_host_with_tls_is_redirected(
    gateway: Gateway, services: Services, host: str, authority: Authority, uri: str, location: str
) -> None:
    """To the same URI, as sent, without a port and without a final slash."""
    gateway.apply(*secure(services, host, authority.issue(host)))
    answer = gateway.get(f"{host}:8080", uri)
    assert (answer.status, answer.get("Location")) == (308, f"https://{host}{location}")


def test_challenges_for_certificates_are_never_redirected(
    gateway: Gateway, services: Services, host: str, authority: Authority
) -> None:
    """Paths below those of the ConfigMap's list, as a solver of ACME has them."""
    challenge = "/.well-known/acme-challenge/token"
    gateway.apply(
        *secure(services, host, authority.issue(host)),
        services.ingress("solver", rule(host, path(challenge, "web", kind="Exact"))),
    )
    assert gateway.get(host, challenge).status == 200
    assert gateway.get(host, "/else").status == 308


@pytest.mark.parametrize(
    ("annotations", "tls", "status", "location"),
    [
        ({}, False, 200, None),
        ({"ssl-redirect": "false"}, True, 200, None),
        ({"force-ssl-redirect": "true"}, False, 308, "https://{host}/a"),
        ({"preserve-trailing-slash": "true"}, True, 308, "https://{host}/a/"),
        ({"use-port-in-redirects": "true"}, True, 308, "https://{host}:{port}/a"),
        ({"ssl-redirect": "nonsense"}, True, 308, "https://{host}/a"),
        ({"permanent-redirect": "https://else.example/x"}, True, 301, "https://else.example/x"),
        (
            {"permanent-redirect": "https://else.example/x", "permanent-redirect-code": "307"},
            False,
            307,
            "https://else.example/x",
        ),
        ({"permanent-redirect": "/x", "permanent-redirect-code": "200"}, False, 301, "/x"),
    ],
)
def test_annotations_say_where_requests_are_sent(
    gateway: Gateway,
    services: Services,
    host: str,
    authority: Authority,
    annotations: dict[str, str],
    *,
    tls: bool,
    status: int,
    location: str | None,
) -> None:
    """A permanent redirect answers before the one to HTTPS; what cannot be understood is the default."""
    objects = secure(services, host, authority.issue(host), annotations=annotations)
    if not tls:
        del objects[-1]["spec"]["tls"]  # type: ignore[attr-defined]
    gateway.apply(*objects)
    answer = gateway.get(host, "/a/")
    assert answer.status == status
    if location is not None:
        expected = location.format(host=host, port=gateway.https_port)
        assert (answer.get("Location") or "").endswith(expected)
