"""Certificates: Secrets read, checked and written anew, so that only PEM of known kinds goes on (reference g.8)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from tidegate.guard import Unacceptable
from tidegate.kube.objects import Secret
from tidegate.model import Certificate

PEM_LIMIT: Final = 256 * 1024
"""Bytes of a chain or key. Real chains take a tenth; a larger one would cost every handshake."""
CHAIN_LIMIT: Final = 10
RSA_BITS: Final = 2048
EC_BITS: Final = 224
"""What OpenSSL demands at its security level 2, Debian's default: less would fail at the handshake."""

_WEAK_HASHES: Final = frozenset({"md5", "sha1"})
_PrivateKey = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)


class Pair(msgspec.Struct, frozen=True):
    """A certificate that can be used, and what is odd about it."""

    certificate: Certificate
    oddities: tuple[str, ...] = ()


def read(secret: Secret) -> Pair:
    """Read the pair of a Secret. Raises ``Unacceptable`` with what would be accepted; never shows what is in it."""
    data = dict(secret.data or {})
    data |= {name: text.encode() for name, text in (secret.string_data or {}).items()}
    chain_pem, key_pem = data.get("tls.crt") or b"", data.get("tls.key") or b""
    if not chain_pem or not key_pem:
        raise Unacceptable("a Secret with tls.crt and tls.key")
    if max(len(chain_pem), len(key_pem)) > PEM_LIMIT:
        raise Unacceptable(f"a chain and a key of at most {PEM_LIMIT} bytes each")
    chain, key = _chain(chain_pem), _key(key_pem)
    _check_match(chain, key)
    _check_strength(chain[0], key)
    return Pair(_certificate(chain, key), tuple(_oddities(chain)))


def authorities(pem: bytes) -> str:
    """Read a bundle of authorities; give it as PEM and nothing else. Raises ``Unacceptable``."""
    if len(pem) > PEM_LIMIT:
        raise Unacceptable(f"authorities of at most {PEM_LIMIT} bytes")
    try:
        found = x509.load_pem_x509_certificates(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise Unacceptable("PEM certificates in ca.crt") from None
    encoded = dict.fromkeys(certificate.public_bytes(serialization.Encoding.PEM) for certificate in found)
    return b"".join(encoded).decode("ascii")


def covers(names: Iterable[str], host: str) -> bool:
    """Say whether a certificate with these names is good for a host; a star stands for one whole label."""
    _, dot, rest = host.partition(".")
    wanted = {host, f"*.{rest}"} if dot and not host.startswith("*.") else {host}
    return any(name in wanted for name in names)


def _chain(pem: bytes) -> list[x509.Certificate]:
    try:
        chain = x509.load_pem_x509_certificates(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise Unacceptable("PEM certificates in tls.crt") from None
    if len(chain) > CHAIN_LIMIT:
        raise Unacceptable(f"a chain of at most {CHAIN_LIMIT} certificates")
    return chain


def _key(pem: bytes) -> _PrivateKey:
    try:
        # Whether the key is sound shows when it is compared with the certificate.
        key = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise Unacceptable("a key without a pass phrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Unacceptable("a PEM private key in tls.key") from None
    if not isinstance(key, _PrivateKey):
        raise Unacceptable("an RSA, EC or Ed25519 key")
    return key


def _public(key: object) -> bytes:
    encoding, kind = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(encoding, kind)  # type: ignore[attr-defined, no-any-return]


def _check_match(chain: list[x509.Certificate], key: _PrivateKey) -> None:
    wanted = _public(key.public_key())
    try:
        matching = [at for at, certificate in enumerate(chain) if _public(certificate.public_key()) == wanted]
    except (ValueError, UnsupportedAlgorithm):
        raise Unacceptable("certificates with RSA, EC or Ed25519 keys") from None
    if not matching:
        raise Unacceptable("a key that belongs to the certificate")
    if matching[0] != 0:
        raise Unacceptable("a chain in which the certificate of the key stands first")


def _check_strength(leaf: x509.Certificate, key: _PrivateKey) -> None:
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < RSA_BITS:
        raise Unacceptable(f"an RSA key of at least {RSA_BITS} bits")
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size < EC_BITS:
        raise Unacceptable(f"an EC key of at least {EC_BITS} bits")
    if leaf.issuer == leaf.subject:
        return
    try:
        used = leaf.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return
    if used is not None and used.name in _WEAK_HASHES:
        raise Unacceptable("a certificate that is not signed with MD5 or SHA-1")


def _certificate(chain: list[x509.Certificate], key: _PrivateKey) -> Certificate:
    leaf = chain[0]
    pem = serialization.Encoding.PEM
    return Certificate(
        chain=b"".join(certificate.public_bytes(pem) for certificate in chain).decode("ascii"),
        key=key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode(
            "ascii"
        ),
        names=_names(leaf),
        kind=_kind(key),
        not_before=int(leaf.not_valid_before_utc.timestamp()),
        not_after=int(leaf.not_valid_after_utc.timestamp()),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
    )


def _kind(key: _PrivateKey) -> str:
    match key:
        case rsa.RSAPrivateKey():
            return "rsa"
        case ec.EllipticCurvePrivateKey():
            return "ec"
        case ed25519.Ed25519PrivateKey():
            return "ed25519"
        case _:
            return "ed448"


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    """Give the DNS names: those of the extension, or the common name if there is no such extension."""
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        found = extension.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        found = [str(item.value) for item in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except ValueError:
        found = []
    return tuple(dict.fromkeys(name.lower().removesuffix(".") for name in found))


def _oddities(chain: list[x509.Certificate]) -> Iterable[str]:
    if len(chain) == 1 and _has_issuer_elsewhere(chain[0]):
        yield "only the certificate itself is there, and its issuer is to be fetched: the intermediates are missing"
    for at, (subject, issuer) in enumerate(pairwise(chain)):
        if subject.issuer != issuer.subject:
            yield f"certificate {at + 2} of the chain is not the issuer of certificate {at + 1}"


def _has_issuer_elsewhere(leaf: x509.Certificate) -> bool:
    """Tell whether a certificate says where its issuer's can be fetched, as those issued by an intermediate do."""
    try:
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return any(item.access_method == AuthorityInformationAccessOID.CA_ISSUERS for item in access)
