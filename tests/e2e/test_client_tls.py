"""Hosts that ask their clients for certificates (reference g.16): who comes in, and that nobody else ever does."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from harness import certs, http, http2, waiting
from harness.backends import Backends
from harness.certs import Authority, Pair
from harness.gateway import Gateway
from harness.manifests import Manifest, config_map, path, rule, secret
from harness.services import Services

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@pytest.fixture(scope="module")
def partners() -> Authority:
    """Issues clients' certificates."""
    return Authority("Partners")


@pytest.fixture(scope="module")
def others() -> Authority:
    """Issues clients' certificates, too, and calls itself the same."""
    return Authority("Partners")


@pytest.fixture(scope="module")
def partner(partners: Authority) -> Pair:
    return partners.issue("partner.example", common_name="partner")


@pytest.fixture(scope="module")
def other(others: Authority) -> Pair:
    return others.issue("other.example", common_name="other")


def guarded(
    services: Services,
    host: str,
    authority: Authority | None,
    name: str = "web",
    crl: str = "",
    **annotations: str,
) -> list[Manifest]:
    """Give a host that asks for certificates of an authority; underscores in names of annotations are dashes."""
    asked = {f"auth-tls-{key.replace('_', '-')}": value for key, value in annotations.items()}
    asked.setdefault("auth-tls-secret", f"{services.namespace}/{name}-ca")
    made = [services.ingress(name, rule(host, path("/", "web")), annotations=asked)]
    if authority is not None:
        data = {"ca.crt": authority.pem} | ({"ca.crl": crl} if crl else {})
        made.append(secret(f"{name}-ca", data, namespace=services.namespace))
    return made


VERIFY = {
    "on": (200, 400, 400),
    "optional": (200, 200, 400),
    "optional_no_ca": (200, 200, 200),
    "off": (200, 200, 200),
}
PAGES = {"url": "https://help.example/certificates", "path": "/public/sorry", "name": "@x"}
UNUSABLE = {
    "other": "gone/ca",
    "short": "no-namespace",
    "missing": "guarded/nothing",
    "garbage": "guarded/garbage",
}
CHALLENGE = "/.well-known/acme-challenge/token"
CIPHER = "ECDHE-ECDSA-CHACHA20-POLY1305"


@pytest.fixture(scope="module")
def services(pool: Backends) -> Services:
    return Services(pool, "guarded")


@pytest.fixture(scope="module")
def gateway(
    services: Services, partners: Authority, others: Authority, authority: Authority
) -> Iterator[Gateway]:
    """Give one gateway with all kinds of guarded hosts: each handshake of its own costs a reload, but for the first."""

    def host(name: str, by: Authority | None = partners, **asked: str) -> list[Manifest]:
        return guarded(services, f"{name}.example", by, name.replace("*.", "any-"), **asked)

    def open_host(name: str, at: str = "/", **annotations: str) -> Manifest:
        where = rule(f"{name}.example", path(at, "web", kind="Exact" if at != "/" else "Prefix"))
        return services.ingress(f"open-{name}", where, annotations=annotations)

    objects = [
        *services.make("web"),
        *host("a", pass_certificate_to_upstream="true"),
        *host("b", others),
        *host("second"),
        open_host("open"),
        *host("*.wild"),
        open_host("open.wild"),
        *host("subject", match_cn=r"CN=(partner|boss)\b"),
        open_host("a", CHALLENGE),
        open_host("ciphers", **{"ssl-ciphers": CIPHER}),
        *(m for verify in VERIFY for m in host(verify.replace("_", "-"), verify_client=verify)),
        *(m for name, page in PAGES.items() for m in host(name, error_page=page)),
        *(m for name, named in UNUSABLE.items() for m in host(name, None, secret=named)),
        secret("ca", {"ca.crt": authority.pem}, namespace="gone"),
        secret("garbage", {"ca.crt": GARBAGE}, namespace="guarded"),
    ]
    with Gateway(objects) as started:
        yield started


GARBAGE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def ask(
    gateway: Gateway, host: str, shows: Pair | None = None, uri: str = "/", **options: object
) -> http.Response:
    """Ask over TLS, showing a certificate or none."""
    return gateway.get_tls(host, uri, tls=certs.credulous(shows=shows), **options)


def until(gateway: Gateway, host: str, status: int, shows: Pair | None = None) -> None:
    """Wait until a host answers with a status: handshakes come with a reload."""
    waiting.until(lambda: ask(gateway, host, shows).status == status, 20, 0.02, why=f"{host}: {status}")


# --- changes --------------------------------------------------------------------------------------------------------


def test_a_host_is_closed_until_it_is_guarded_and_no_session_outlives_its_policy(
    services: Services, partners: Authority, partner: Pair, other: Pair
) -> None:
    """An open host becomes guarded, then a certificate of its clients is revoked."""
    host = "h.example"
    revoked = partners.issue("revoked.example", common_name="revoked")
    plain = services.ingress("web", rule(host, path("/", "web")))
    first = guarded(services, host, partners, crl=partners.revocations())
    with Gateway([*services.make("web"), plain, first[1]]) as gateway:
        assert ask(gateway, host).status == 200
        name = gateway.apply(first[0], name="objects.yaml")  # nothing else: the Secret goes for a moment, too
        assert ask(gateway, host).status == 403
        gateway.apply(*services.make("web"), *first, name=name)
        assert ask(gateway, host).status in {400, 403}
        until(gateway, host, 200, revoked)
        # Workers of the generation before, which know nothing of the policy and let nobody in, may be there a moment longer.
        waiting.until(
            lambda: [ask(gateway, host, shown).status for shown in (None, other, partner)] == [400, 400, 200]
        )
        client = certs.credulous(shows=revoked)

        def visit(session: ssl.SSLSession | None = None) -> tuple[int, bool, ssl.SSLSession | None]:
            with http.Connection(gateway.https_port, tls=client, sni=host, session=session) as connection:
                return connection.ask("/", host=host).status, connection.resumed, connection.session

        session = visit()[2]
        assert visit(session)[:2] == (200, True)
        second = guarded(services, host, partners, crl=partners.revocations(revoked))
        gateway.apply(*services.make("web"), *second, name=name)
        until(gateway, host, 400, revoked)
        waiting.until(lambda: visit(session)[:2] == (400, False))
        assert ask(gateway, host, partner).status == 200


def test_a_guarded_host_can_be_opened(services: Services, partners: Authority) -> None:
    """That takes a reload: until then nginx itself asks for the certificate."""
    host = "h.example"
    with Gateway([*services.make("web"), *guarded(services, host, partners)]) as gateway:
        assert ask(gateway, host).status == 400
        plain = services.ingress("web", rule(host, path("/", "web")))
        gateway.folder.write("objects.yaml", *services.make("web"), plain)
        until(gateway, host, 200)
        waiting.until(lambda: not list((gateway.state_dir / "files").iterdir()), why="its documents are gone")


def test_a_handshake_that_nginx_refuses_closes_its_host_and_no_other(
    services: Services, partners: Authority, partner: Pair
) -> None:
    """The others come into force, and the refusal is told."""
    # OpenSSL takes the list by itself, but not the certificate that nginx has at the start.
    bad = guarded(services, "bad.example", partners, name="bad")
    bad[0]["metadata"]["annotations"]["nginx.ingress.kubernetes.io/ssl-ciphers"] = (
        "@SECLEVEL=5:ECDHE-ECDSA-AES128-GCM-SHA256"
    )
    with Gateway(services.make("web")) as gateway:
        gateway.apply(*bad, *guarded(services, "good.example", partners, name="good"))
        until(gateway, "good.example", 200, partner)
        assert ask(gateway, "bad.example", partner).status == 403
        assert "bad.example" in gateway.run("findings").stdout
        with http.Connection(gateway.https_port, tls=certs.credulous(), sni="x.example") as connection:
            assert connection.certificate().serial_number


# --- who comes in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verify", VERIFY)
def test_how_much_is_asked_for(gateway: Gateway, partner: Pair, other: Pair, verify: str) -> None:
    """A good certificate, none, and one of another authority that calls itself the same."""
    host = f"{verify.replace('_', '-')}.example"
    assert tuple(ask(gateway, host, shown).status for shown in (partner, None, other)) == VERIFY[verify]


def test_the_backend_is_told_about_the_certificate_and_never_by_the_client(
    gateway: Gateway, partner: Pair
) -> None:
    """Its headers are the gateway's on guarded hosts, and absent on all others."""
    spoofed = [(f"ssl-client-{name}", "CN=admin") for name in ("verify", "subject-dn", "issuer-dn", "cert")]
    told = ask(gateway, "a.example", partner, headers=spoofed).echo
    assert told.get("Ssl-Client-Verify") == ["SUCCESS"]
    assert "CN=partner" in told.get("Ssl-Client-Subject-Dn")[0]
    assert "Partners" in told.get("Ssl-Client-Issuer-Dn")[0]
    assert told.get("Ssl-Client-Cert")[0].startswith("-----BEGIN%20CERTIFICATE-----")
    assert not ask(gateway, "b.example", headers=spoofed).backend
    for answer in (
        ask(gateway, "open.example", headers=spoofed),
        ask(gateway, "open.example", partner, headers=spoofed),
        ask(gateway, "open.wild.example", partner, headers=spoofed),
        gateway.get("open.example", headers=spoofed),
    ):
        assert answer.status == 200
        assert not [name for name, _ in answer.echo.headers if name.lower().startswith("ssl-client")]


@pytest.mark.parametrize("tickets", ["false", "true"])
def test_a_session_of_one_host_is_not_resumed_on_another(
    services: Services, partners: Authority, others: Authority, partner: Pair, tickets: str
) -> None:
    """Nor on a guarded host one that began without a certificate; in TLS 1.2 and 1.3, from the cache or by ticket."""
    settings = config_map({"ssl-session-tickets": tickets})
    hosts = guarded(services, "a.example", partners) + guarded(services, "b.example", others, name="b")
    also_open = services.ingress("open", rule("open.example", path("/", "web")))
    with Gateway([settings, *services.make("web"), *hosts, also_open]) as gateway:
        for version in VERSIONS:
            client = certs.credulous(shows=partner, version=version)

            def visit(
                host: str, session: ssl.SSLSession | None = None, client: ssl.SSLContext = client
            ) -> tuple[int, bool, ssl.SSLSession | None]:
                with http.Connection(gateway.https_port, tls=client, sni=host, session=session) as connection:
                    status = connection.ask("/", host=host).status
                    return status, connection.resumed, connection.session

            of_a, of_open = visit("a.example")[2], visit("open.example")[2]
            assert visit("a.example", of_a)[:2] == (200, True)
            assert visit("open.example", of_open)[:2] == (200, True)
            assert visit("b.example", of_a)[:2] == (400, False)
            assert visit("open.example", of_a)[:2] == (200, False)
            assert visit("a.example", of_open)[:2] == (200, False)


@pytest.mark.parametrize("shows", [False, True])
def test_a_connection_made_for_another_host_is_misdirected(
    gateway: Gateway, partner: Pair, *, shows: bool
) -> None:
    """421, as HTTP/1.1 and HTTP/2 clients understand it: they ask again on a connection of its own."""
    shown = partner if shows else None
    assert ask(gateway, "a.example", shown, sni="open.example").status == 421
    assert ask(gateway, "a.example", shown, sni="second.example").status == 421
    assert ask(gateway, "x.wild.example", shown, sni="y.wild.example").status == 421
    with http.Connection(gateway.https_port, tls=certs.credulous(shows=shown)) as connection:
        assert connection.ask("/", host="a.example").status == 421
    client = certs.credulous(alpn=("h2",), shows=shown)
    with http2.Connection(gateway.https_port, tls=client, sni="open.example") as coalescing:
        assert coalescing.ask("/", host="open.example").status == 200
        assert coalescing.ask("/", host="a.example").status == 421


def test_subjects_are_matched_part_by_part(gateway: Gateway, partners: Authority) -> None:
    """A name that stands inside another part of the subject is none."""
    for name, status in (
        ("boss", 200),
        ("somebody", 403),
        ("CN=boss", 403),
        ("big boss", 403),
        ("x,CN=boss", 403),
    ):
        assert ask(gateway, "subject.example", partners.issue("x.example", common_name=name)).status == status
    assert ask(gateway, "subject.example").status == 400


@pytest.mark.parametrize("name", UNUSABLE)
def test_without_a_usable_secret_the_host_is_closed_on_both_ports(
    gateway: Gateway, partner: Pair, name: str
) -> None:
    """Of another namespace, without one, missing, or without certificates."""
    assert ask(gateway, f"{name}.example", partner).status == 403
    assert gateway.get(f"{name}.example").status == 403


def test_the_plain_port_leads_to_the_other_one_and_serves_challenges(gateway: Gateway) -> None:
    """Whoever must show a certificate cannot do so there; who proves that the host is ours must get in."""
    answer = gateway.get("a.example", "/a")
    assert (answer.status, answer.get("Location")) == (308, "https://a.example/a")
    assert gateway.get("a.example", CHALLENGE).status == 200
    assert gateway.get("a.example", "/.well-known/acme-challenge/other").status == 308


@pytest.mark.parametrize(("name", "status"), [("url", 302), ("path", 200), ("name", 400)])
def test_clients_without_a_certificate_may_be_sent_elsewhere(
    gateway: Gateway, partner: Pair, other: Pair, name: str, status: int
) -> None:
    """To a URL, or to one path of the host, which only then is open."""
    assert ask(gateway, f"{name}.example", partner, "/secret").status == 200
    for shows in (None, other):
        answer = ask(gateway, f"{name}.example", shows, "/secret")
        assert answer.status == status
        assert answer.get("Location") == (PAGES["url"] if name == "url" else None)
        if name == "path":
            assert answer.echo.uri == "/public/sorry"


def test_a_wildcard_may_be_guarded_and_a_name_below_it_open(gateway: Gateway, partner: Pair) -> None:
    """The data plane leads both to one handshake; only one of them asks for what came of it."""
    assert ask(gateway, "x.wild.example", partner).status == 200
    assert ask(gateway, "x.wild.example").status == 400
    assert ask(gateway, "open.wild.example").status == 200


def test_ciphers_of_one_host_are_its_own(gateway: Gateway) -> None:
    """Others keep those of the node."""

    def cipher(name: str) -> str:
        client = certs.credulous(version=ssl.TLSVersion.TLSv1_2)
        with http.Connection(gateway.https_port, tls=client, sni=name) as connection:
            return connection.cipher

    assert cipher("ciphers.example") == CIPHER
    assert cipher("open.example") != CIPHER
