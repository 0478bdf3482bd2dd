"""What the ConfigMap says about TLS, and hosts with two certificates."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import secrets
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from harness import certs, cpu, http, waiting
from harness.backends import Backends
from harness.certs import Authority, Pair
from harness.gateway import Gateway
from harness.manifests import config_map, path, rule, tls_secret
from harness.services import Services


@pytest.fixture(scope="module")
def services(pool: Backends) -> Services:
    return Services(pool, "settings")


@pytest.fixture(scope="module")
def pairs(authority: Authority) -> tuple[Pair, Pair]:
    """Give an ECDSA and an RSA certificate for one host."""
    return authority.issue("two.example"), authority.issue("two.example", rsa=True)


@pytest.fixture(scope="module")
def gateway(services: Services, pairs: tuple[Pair, Pair]) -> Iterator[Gateway]:
    settings = {
        "hsts-max-age": "63072000",
        "hsts-preload": "true",
        "ssl-session-tickets": "true",
        "ssl-session-ticket-key": base64.b64encode(secrets.token_bytes(80)).decode(),
        "ssl-session-cache": "false",
        "ssl-early-data": "true",
        "ssl-ecdh-curve": "prime256v1",
        "client-header-timeout": "1",
    }
    objects = [
        config_map(settings),
        *services.make("web"),
        *(tls_secret(f"pair-{n}", pair, namespace="settings") for n, pair in enumerate(pairs)),
        services.ingress(
            "two",
            rule("two.example", path("/", "web")),
            tls=[(["two.example"], "pair-0"), (["two.example"], "pair-1")],
            annotations={"ssl-redirect": "false"},
        ),
        services.ingress("empty", rule("empty.example", path("/", "nowhere"))),
    ]
    with Gateway(objects) as started:
        yield started


def test_two_kinds_of_certificates_serve_one_host(gateway: Gateway, pairs: tuple[Pair, Pair]) -> None:
    """Each client gets the one that it can do."""
    for cipher, pair in zip(
        ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"), pairs, strict=True
    ):
        client = certs.credulous(version=ssl.TLSVersion.TLSv1_2)
        client.set_ciphers(cipher)
        with http.Connection(gateway.https_port, tls=client, sni="two.example") as connection:
            assert connection.certificate().serial_number == pair.serial
            assert connection.ask("/", host="two.example").status == 200


def test_hsts_stands_on_every_answer_over_tls_and_on_no_other(gateway: Gateway) -> None:
    """Answers of the gateway's own, errors and redirects included."""
    wanted = "max-age=63072000; includeSubDomains; preload"
    for host, status in (("two.example", 200), ("empty.example", 503), ("nobody.example", 404)):
        answer = gateway.get_tls(host, tls=certs.credulous())
        assert (answer.status, answer.get("Strict-Transport-Security")) == (status, wanted)
        assert gateway.get(host).get("Strict-Transport-Security") is None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tickets_with_a_key_of_ones_own_outlive_a_reload(gateway: Gateway, version: ssl.TLSVersion) -> None:
    """There is no cache here: what is resumed is resumed by ticket, also in another nginx with that key."""
    client = certs.credulous(version=version)
    with http.Connection(gateway.https_port, tls=client, sni="two.example") as connection:
        connection.ask("/", host="two.example")
        session = connection.session
    with http.Connection(gateway.https_port, tls=client, sni="two.example", session=session) as connection:
        assert connection.resumed


def test_a_ticket_key_is_shown_nowhere(gateway: Gateway) -> None:
    """It stands in one file that only its owner can read."""
    keys = list((gateway.state_dir / "files").glob("*.key"))
    assert [key.stat().st_mode & 0o777 for key in keys] == [0o600]
    assert [len(key.read_bytes()) for key in keys] == [80]


def test_a_handshake_that_does_not_go_on_is_ended(gateway: Gateway) -> None:
    """After client-header-timeout; a client that sends nothing holds nothing."""
    with http.Connection(gateway.https_port) as connection:
        connection.send(b"\x16\x03\x01")
        assert connection.read() == b""


def test_many_unknown_names_leave_nothing_behind(gateway: Gateway) -> None:
    """Thousands of names, each asked for once."""
    client = certs.credulous(version=ssl.TLSVersion.TLSv1_2)

    def hello(name: str) -> bytes:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            client.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
        return outgoing.read()

    def ask(count: int) -> None:
        for _ in range(count):
            with http.Connection(gateway.https_port) as connection:
                connection.send(hello(f"{secrets.token_hex(8)}.example"))
                assert connection.read(1)

    ask(500)
    before = sum(map(cpu.resident, gateway.workers))
    ask(2500)
    assert sum(map(cpu.resident, gateway.workers)) - before < 4 * 2**20


def test_names_that_are_no_hosts_can_be_refused(services: Services, authority: Authority) -> None:
    """ConfigMap key ssl-reject-handshake: without a certificate, so that nobody learns one."""
    pair = authority.issue("known.example")
    objects = [
        config_map({"ssl-reject-handshake": "true", "hsts": "false"}),
        tls_secret("pair", pair, namespace="settings"),
        services.ingress("known", rule("known.example", path("/", "web")), tls=[(["known.example"], "pair")]),
        services.ingress("plain", rule("*.plain.example", path("/", "web"))),
    ]
    with Gateway(objects) as gateway:
        assert (
            gateway.get_tls("known.example", tls=authority.client()).get("Strict-Transport-Security") is None
        )
        assert gateway.get_tls("x.plain.example", tls=certs.credulous()).status == 503
        for name in ("nobody.example", None):
            with pytest.raises(ssl.SSLError):
                http.Connection(gateway.https_port, tls=certs.credulous(), sni=name)


# --- stapling -------------------------------------------------------------------------------------------------------


class Responder:
    """An issuer with an OCSP responder."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Stapling")])
        self.certificate = self._sign(self.name, self.key.public_key(), ca=True)
        self.status = ocsp.OCSPCertStatus.GOOD
        self.asked = 0
        self.leaf: x509.Certificate | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                body = outer.answer()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/ocsp"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            at = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(self.url)
            )
            builder = builder.add_extension(x509.AuthorityInformationAccess([at]), critical=False)
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName("stapled.example")]), critical=False
            )
        return builder.sign(self.key, hashes.SHA256())

    def issue(self) -> Pair:
        """Give a certificate for stapled.example that names this responder."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stapled.example")])
        self.leaf = self._sign(subject, key.public_key(), ca=False)
        pem = serialization.Encoding.PEM
        chain = self.leaf.public_bytes(pem) + self.certificate.public_bytes(pem)
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Pair(chain.decode(), private.decode())

    def answer(self) -> bytes:
        self.asked += 1
        assert self.leaf is not None
        now = dt.datetime.now(dt.UTC)
        revoked = self.status is ocsp.OCSPCertStatus.REVOKED
        # As OpenSSL asks.
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=self.leaf, issuer=self.certificate, algorithm=hashes.SHA1(), cert_status=self.status,  # noqa: S303
            this_update=now - dt.timedelta(minutes=5), next_update=now + dt.timedelta(hours=1),
            revocation_time=now if revoked else None, revocation_reason=None,
        )  # fmt: skip
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.certificate)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def stapled(gateway: Gateway) -> bool:
    """Tell whether a handshake comes with the issuer's word."""
    return b"OCSP Response Status: successful" in openssl(gateway, "-status")


def openssl(gateway: Gateway, *options: str) -> bytes:
    """Give what ``openssl s_client`` says of a handshake."""
    target = f"127.0.0.1:{gateway.https_port}"
    command = ["openssl", "s_client", "-connect", target, "-servername", "stapled.example", *options]
    return subprocess.run(command, input=b"", capture_output=True, timeout=20, check=False).stdout


@pytest.mark.parametrize("status", ["good", "revoked"])
def test_handshakes_are_stapled_and_never_wait_for_it(services: Services, status: str) -> None:
    """What is not good is left out; the responder is asked once for many handshakes."""
    responder = Responder()
    if status == "revoked":
        responder.status = ocsp.OCSPCertStatus.REVOKED
    objects = [
        config_map({"enable-ocsp": "true"}),
        *services.make("web"),
        tls_secret("pair", responder.issue(), namespace="settings"),
        services.ingress(
            "stapled", rule("stapled.example", path("/", "web")), tls=[(["stapled.example"], "pair")]
        ),
    ]
    try:
        with Gateway(objects) as gateway:
            assert gateway.get_tls("stapled.example", tls=certs.credulous()).status == 200
            waiting.until(lambda: responder.asked > 0)
            if status == "good":
                waiting.until(lambda: stapled(gateway))
            else:
                assert not stapled(gateway)
            for _ in range(20):
                gateway.get_tls("stapled.example", tls=certs.credulous())
            assert responder.asked == 1
    finally:
        responder.server.shutdown()
        responder.server.server_close()
