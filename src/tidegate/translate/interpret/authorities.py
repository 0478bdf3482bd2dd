"""Client authorities: ``ca.crt`` and ``ca.crl`` of a Secret, read, checked and written anew (reference g.16)."""

from __future__ import annotations

from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from tidegate.guard import Unacceptable
from tidegate.kube.objects import Secret

PEM_LIMIT: Final = 1024 * 1024
"""Bytes of each: what a Secret can hold."""
MOST: Final = 256
"""Authorities, and lists, of one host: nginx sends the names of all of them with each handshake."""
_END_OF_LIST: Final = b"-----END X509 CRL-----"


class Authorities(msgspec.Struct, frozen=True):
    """Whose certificates count, and which of them no longer do."""

    certificates: str
    """PEM."""
    revoked: str = ""
    """PEM of the revocation lists; empty: there are none."""
    oddities: tuple[str, ...] = ()


def read(secret: Secret) -> Authorities:
    """Read the authorities of a Secret. Raises ``Unacceptable`` with what would be accepted."""
    data = dict(secret.data or {})
    data |= {name: text.encode() for name, text in (secret.string_data or {}).items()}
    pem, lists = data.get("ca.crt") or b"", data.get("ca.crl") or b""
    if not pem:
        raise Unacceptable("a Secret with ca.crt")
    if max(len(pem), len(lists)) > PEM_LIMIT:
        raise Unacceptable(f"a ca.crt and a ca.crl of at most {PEM_LIMIT} bytes each")
    found = _certificates(pem)
    revoked = _lists(lists) if lists.strip() else []
    issuers = {issued.issuer for issued in revoked}
    oddities = [
        f"{certificate.subject.rfc4514_string()} has no revocation list: with ca.crl each authority needs one, or its "
        "clients are refused"
        for certificate in found
        if revoked and certificate.subject not in issuers
    ]
    encoding = serialization.Encoding.PEM
    return Authorities(
        b"".join(certificate.public_bytes(encoding) for certificate in found).decode("ascii"),
        b"".join(issued.public_bytes(encoding) for issued in revoked).decode("ascii"),
        tuple(oddities),
    )


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(pem)
        for certificate in found:
            certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Unacceptable("PEM certificates in ca.crt") from None
    if len(found) > MOST:
        raise Unacceptable(f"at most {MOST} certificates in ca.crt")
    # nginx refuses a file that holds one twice.
    return list(dict.fromkeys(found))


def _lists(pem: bytes) -> list[x509.CertificateRevocationList]:
    blocks = [block + _END_OF_LIST for block in pem.split(_END_OF_LIST) if block.strip()]
    if len(blocks) > MOST:
        raise Unacceptable(f"at most {MOST} revocation lists in ca.crl")
    try:
        return [x509.load_pem_x509_crl(block) for block in blocks]
    except (ValueError, UnsupportedAlgorithm):
        raise Unacceptable("PEM revocation lists in ca.crl") from None
