"""A certificate authority for tests, and certificates by it."""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
from dataclasses import dataclass

import trustme
from cryptography import x509


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

    def __init__(self) -> None:
        self._ca = trustme.CA()

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


def credulous(*, alpn: tuple[str, ...] = ("http/1.1",)) -> ssl.SSLContext:
    """Give a client's context that believes any certificate, to look at it afterwards."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(list(alpn))
    return context
