"""A certificate authority for tests, and certificates by it."""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
from dataclasses import dataclass

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate chain with its key, as PEM."""

    chain: str
    key: str

    @property
    def serial(self) -> int:
        """Serial number of the leaf: tells two certificates for one name apart."""
        return x509.load_pem_x509_certificate(self.chain.encode()).serial_number

    def __repr__(self) -> str:
        return f"Pair(serial={self.serial:x})"


class Authority:
    """Issues certificates (ECDSA; RSA on request), and contexts for clients that trust only it."""

    def __init__(self, name: str = "Tests") -> None:
        """Take a name: authorities of one name are told apart by their keys only."""
        self._ca = trustme.CA(organization_name=name, organization_unit_name="authority")

    @property
    def pem(self) -> str:
        """The authority's own certificate."""
        return self._ca.cert_pem.bytes().decode()

    def issue(self, *names: str, days: int = 90, rsa: bool = False, common_name: str | None = None) -> Pair:
        """Give a new certificate for host names (``*.`` allowed) or addresses."""
        leaf = self._ca.issue_cert(
            *names,
            common_name=common_name,
            not_after=dt.datetime.now(dt.UTC) + dt.timedelta(days=days),
            key_type=trustme.KeyType.RSA if rsa else trustme.KeyType.ECDSA,
        )
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        return Pair(chain.decode(), leaf.private_key_pem.bytes().decode())

    def revocations(self, *revoked: Pair, days: int = 1) -> str:
        """Give a revocation list with these certificates, as PEM."""
        now = dt.datetime.now(dt.UTC)
        key = serialization.load_pem_private_key(self._ca.private_key_pem.bytes(), None)
        issuer = x509.load_pem_x509_certificate(self._ca.cert_pem.bytes()).subject
        builder = x509.CertificateRevocationListBuilder(
            issuer, now - dt.timedelta(1), now + dt.timedelta(days)
        )
        for pair in revoked:
            entry = x509.RevokedCertificateBuilder(pair.serial, now - dt.timedelta(hours=1)).build()
            builder = builder.add_revoked_certificate(entry)
        made = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
        return made.public_bytes(serialization.Encoding.PEM).decode()

    def client(self, *, alpn: tuple[str, ...] = ("http/1.1",)) -> ssl.SSLContext:
        """Give a client's context that trusts this authority only and checks names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._ca.configure_trust(context)
        context.set_alpn_protocols(list(alpn))
        return context

    def server(self, pair: Pair, *, client: bool = False, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
        """Give a server's context; with ``client`` it asks for a certificate of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(pair.chain + pair.key)
            file.flush()
            context.load_cert_chain(file.name)
        if client:
            self._ca.configure_trust(context)
            context.verify_mode = ssl.CERT_OPTIONAL
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


def credulous(
    *,
    alpn: tuple[str, ...] = ("http/1.1",),
    shows: Pair | None = None,
    version: ssl.TLSVersion | None = None,
) -> ssl.SSLContext:
    """Give a client's context that believes any certificate, to look at it afterwards; it may show one itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(list(alpn))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if shows is not None:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(shows.key + shows.chain)
            file.flush()
            context.load_cert_chain(file.name)
    return context
