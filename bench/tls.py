"""What a full TLS handshake costs in CPU, beside bare nginx with one static certificate: the same protocols and curves.

One worker on one core, the client on the other; rounds are interleaved. The client ends the connection after the handshake
and resumes no session. The gateway has many certificates; a few hundred hosts are asked in turn, and, beside, hosts that
this worker has never been asked for, whose certificates it has to parse first. sslyze judges the defaults.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import socket
import ssl
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bench import _report, _rounds
from bench._report import Row, Told
from harness import certs, cpu, manifests, nginx, sslyze, waiting
from harness.gateway import Gateway

ASKED = 200
"""Hosts asked in turn."""

BARE = """
error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate tls.crt;
        ssl_certificate_key tls.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ecdh_curve X25519MLKEM768:X25519:prime256v1:secp384r1;
        ssl_session_cache shared:SSL:10m;
        ssl_session_tickets off;
        return 200;
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    certificates: int
    rounds: int
    handshakes: int


FULL, QUICK = Size(10_000, 10, 1000), Size(300, 2, 100)


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Measure handshakes of TLS 1.3 and 1.2."""
    size = QUICK if quick else FULL
    with contextlib.ExitStack() as stack:
        told(f"issuing {size.certificates:,} certificates")
        pairs, authority = _pairs(size.certificates)
        port = waiting.free_ports(1)[0]
        bare = stack.enter_context(_bare(port, next(iter(pairs.values()))))
        told(f"starting a gateway with {size.certificates:,} certificates")
        gateway = stack.enter_context(_gateway(pairs))
        hosts = list(pairs)
        made: list[Row] = []
        made += _report.each(
            {"Mozilla's intermediate configuration": lambda: _judged(gateway, hosts[0], authority)}
        )
        for version, name in ((ssl.TLSVersion.TLSv1_3, "TLS 1.3"), (ssl.TLSVersion.TLSv1_2, "TLS 1.2")):
            made += _of(name, version, (bare, port), gateway, hosts, size, told)
    return made


def _of(
    name: str,
    version: ssl.TLSVersion,
    bare: tuple[nginx.Nginx, int],
    gateway: Gateway,
    hosts: Sequence[str],
    size: Size,
    told: Told,
) -> list[Row]:
    client = certs.credulous(version=version)
    warm = hosts[:ASKED]
    sides = (
        lambda: _cost(client, bare[0].workers, bare[1], warm, size.handshakes),
        lambda: _cost(client, gateway.workers, gateway.https_port, warm, size.handshakes),
    )
    for port in (bare[1], gateway.https_port):
        for host in warm:
            _handshake(client, port, host)
    costs: tuple[list[float], list[float]] = ([], [])
    for number in range(size.rounds):
        told(f"{name}, round {number + 1} of {size.rounds}")
        for at in (0, 1) if number % 2 else (1, 0):
            costs[at].append(sides[at]())
    ratios = sorted(b / g for b, g in zip(*costs, strict=True))
    ratio = statistics.median(ratios)
    detail = (
        f"{statistics.median(costs[0]):.0f} ÷ {statistics.median(costs[1]):.0f} µs of CPU; "
        f"{ratios[len(ratios) // 4]:.2f}…{ratios[-1 - len(ratios) // 4]:.2f}"
    )
    measure = f"{name}: full handshakes per CPU second ÷ bare nginx with one certificate, {size.certificates:,} loaded"
    made = [_report.at_least(measure, ratio, 0.95, _report.TIMES, detail)]
    if version is ssl.TLSVersion.TLSv1_3:
        cold = hosts[ASKED : ASKED + size.handshakes]
        first = _cost(client, gateway.workers, gateway.https_port, cold, len(cold))
        made.append(_report.stated("the first handshake of a host in a worker", first, "µs of CPU"))
    return made


def _judged(gateway: Gateway, host: str, authority: str) -> list[Row]:
    """Let sslyze judge the TLS port."""
    sslyze.install()
    file = gateway.root / "authority.pem"
    file.write_text(authority)
    faults = sslyze.faults(gateway.https_port, host, file)
    measure = "what sslyze finds against Mozilla's intermediate configuration"
    return [_report.exactly(measure, len(faults), 0, "", "; ".join(faults))]


def _cost(
    client: ssl.SSLContext, workers: Sequence[int], port: int, hosts: Sequence[str], count: int
) -> float:
    """Give microseconds of CPU for one handshake."""
    before = cpu.read(workers)
    for number in range(count):
        _handshake(client, port, hosts[number % len(hosts)])
    return cpu.read(workers).since(before).total * 1e6 / count


def _handshake(client: ssl.SSLContext, port: int, host: str) -> None:
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        client.wrap_socket(plain, server_hostname=host),
    ):
        pass


def _bare(port: int, pair: certs.Pair) -> nginx.Nginx:
    server = nginx.Nginx(BARE.format(port=port), cores={_rounds.WORKER_CORE})
    (server.folder / "tls.crt").write_text(pair.chain)
    (server.folder / "tls.key").write_text(pair.key)
    return server


@contextlib.contextmanager
def _gateway(pairs: dict[str, certs.Pair]) -> Iterator[Gateway]:
    gateway = Gateway(access_log=False, start_timeout=600)
    gateway.folder.write("global.yaml", manifests.config_map({"worker-processes": "1"}))
    for number, (host, pair) in enumerate(pairs.items()):
        namespace = f"n{number % 100}"
        gateway.folder.write(
            f"{number}.yaml",
            manifests.tls_secret(f"s{number}", pair, namespace=namespace),
            manifests.ingress(
                f"i{number}",
                manifests.rule(host, manifests.path("/", "web")),
                namespace=namespace,
                tls=[([host], f"s{number}")],
            ),
        )
    with gateway:
        cpu.pin(gateway.processes(), {_rounds.LOAD_CORE})
        cpu.pin(gateway.workers, {_rounds.WORKER_CORE})
        cpu.pin([os.getpid()], {_rounds.LOAD_CORE})
        try:
            yield gateway
        finally:
            cpu.pin([os.getpid()], {_rounds.WORKER_CORE, _rounds.LOAD_CORE})


def _pairs(count: int) -> tuple[dict[str, certs.Pair], str]:
    """Give certificates by host, and that of their authority.

    They share a key: making keys takes longest, and handshakes do not notice.
    """
    key, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    hosts = [f"h{i}.bulk.example" for i in range(count)]
    pairs = {host: certs.Pair(_issue(host, key, own), private) for host in hosts}
    return pairs, _issue("", own, own)


def _issue(host: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey) -> str:
    """Issue a certificate for a host, or, without one, that of the authority."""
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(host or "Bulk"))
        .issuer_name(_name("Bulk"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=not host, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if host:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        builder = builder.add_extension(usage, critical=False).add_extension(names, critical=False)
    else:
        builder = builder.add_extension(_SIGNS, critical=True)
    return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


_SIGNS = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)
