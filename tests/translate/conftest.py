"""Certificates for tests, made once."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

EPOCH = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


def make_certificate(common_name: str, names: Iterable[str] = (), days: int = 3650) -> tuple[bytes, bytes]:
    """Make a self-signed pair, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(EPOCH)
        .not_valid_after(EPOCH + datetime.timedelta(days=days))
    )
    if names:
        extension = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private


@pytest.fixture(scope="session")
def certificates() -> dict[str, tuple[bytes, bytes]]:
    """Pairs for a.example, for *.example, and for another name."""
    return {
        "a": make_certificate("a.example", ["a.example", "b.example"]),
        "star": make_certificate("any", ["*.example"]),
        "other": make_certificate("other.test"),
    }
