"""Files that each nginx of a state folder shares.

The self-signed certificate that answers where no other does (reference g.8, point 5), and the key of HTTP/3.
"""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Final

_QUIC_KEY_BYTES: Final = 32


def ensure_default_certificate(state_dir: Path) -> None:
    """Make ``default.crt`` and ``default.key`` in the state folder, unless a pair with a month to live is there.

    ``quic.key`` too, unless it is there.

    Raises ``OSError`` if the folder cannot be written.
    """
    # cryptography costs a tenth of a second to import; most starts find the pair there.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    _ensure_quic_key(state_dir / "quic.key")
    chain, key_file = state_dir / "default.crt", state_dir / "default.key"
    now = datetime.datetime.now(datetime.UTC)
    month = datetime.timedelta(days=30)
    if key_file.exists() and chain.exists():
        try:
            if x509.load_pem_x509_certificate(chain.read_bytes()).not_valid_after_utc - now > month:
                return
        except ValueError:
            pass  # not a certificate: made anew
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tidegate"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Tidegate default certificate"),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("ingress.local")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(key_file, private)
    _write(chain, certificate.public_bytes(pem))


def _ensure_quic_key(path: Path) -> None:
    # With the same key as the last one, a new worker can tell a client at once that its connection is lost.
    if not path.exists() or path.stat().st_size != _QUIC_KEY_BYTES:
        _write(path, os.urandom(_QUIC_KEY_BYTES))


def _write(path: Path, data: bytes) -> None:
    new = path.with_suffix(path.suffix + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    new.replace(path)
