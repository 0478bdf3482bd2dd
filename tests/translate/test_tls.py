"""Which certificate answers for which host (reference g.8, faults G4 and G5)."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from tests.translate.conftest import make_certificate
from tests.translate.objects import FOLDER, Fact, World, gone, ingress, load, path, rule, simple
from tidegate.findings import Effect
from tidegate.kube.objects import Ref, Secret
from tidegate.model import Certificate, TlsHost
from tidegate.translate import last_good_of

Pairs = dict[str, tuple[bytes, bytes]]
SECRET = Ref("Secret", "shop", "cert")


def secret(pair: tuple[bytes, bytes], name: str = "cert", namespace: str = "shop") -> Fact:
    return load("Secret", name, namespace, data={"tls.crt": pair[0], "tls.key": pair[1]})


def secured(host: str = "a.example", *sections: dict[str, Any], name: str = "web", **more: Any) -> Fact:
    tls = list(sections) or [{"hosts": [host], "secretName": "cert"}]
    return ingress(name, rule(None if host == "_" else host, path()), tls=tls, **more)


def certificate(world: World, host: str) -> str | None:
    """Give the id of a host's certificate (empty: the default one); None if the host has no TLS."""
    found = world.entry(f"t/{host}")
    return found.certificate if isinstance(found, TlsHost) else None


# --- the choice -------------------------------------------------------------------------------------------------------

CHOICES: list[tuple[str, str, list[dict[str, Any]], str, str | None]] = [
    ("no section", "a.example", [], "a", None),
    ("named", "a.example", [{"hosts": ["a.example"], "secretName": "cert"}], "a", "shop/cert"),
    ("named in other case", "a.example", [{"hosts": ["A.Example"], "secretName": "cert"}], "a", "shop/cert"),
    ("named without secret", "a.example", [{"hosts": ["a.example"]}], "a", ""),
    ("found by its names", "a.example", [{"secretName": "cert"}], "a", "shop/cert"),
    ("found in another section", "a.example", [{"hosts": ["x.example"], "secretName": "cert"}], "a", "shop/cert"),
    ("first one counts", "a.example", [{"hosts": ["a.example"]}, {"hosts": ["a.example"], "secretName": "cert"}], "a", ""),
    ("not found by its names", "c.test", [{"secretName": "cert"}], "a", ""),
    ("named, but does not cover", "c.test", [{"hosts": ["c.test"], "secretName": "cert"}], "a", ""),
    ("covered by a star", "a.example", [{"hosts": ["a.example"], "secretName": "cert"}], "star", "shop/cert"),
    ("star covers one label", "x.a.example", [{"hosts": ["x.a.example"], "secretName": "cert"}], "star", ""),
    ("star for a wildcard host", "*.example", [{"hosts": ["*.example"], "secretName": "cert"}], "star", "shop/cert"),
    ("no star for a wildcard host", "*.example", [{"hosts": ["*.example"], "secretName": "cert"}], "a", ""),
    ("common name without other names", "other.test", [{"secretName": "cert"}], "other", "shop/cert"),
    ("common name beside other names", "any", [{"hosts": ["any"], "secretName": "cert"}], "star", ""),
    ("no such secret", "a.example", [{"hosts": ["a.example"], "secretName": "none"}], "a", ""),
    ("no host", "_", [{"secretName": "cert"}], "a", ""),
    ("bad name of a secret", "a.example", [{"hosts": ["a.example"], "secretName": "../cert"}], "a", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("host", "sections", "pair", "expected"), [c[1:] for c in CHOICES], ids=[c[0] for c in CHOICES]
)
def test_choice(
    host: str, sections: list[dict[str, Any]], pair: str, expected: str | None, certificates: Pairs
) -> None:
    """g.8: a named Secret, else one that covers the host, else the default certificate; without section no TLS."""
    made = ingress("web", rule(None if host == "_" else host, path()), tls=sections)
    facts = [made, secret(certificates[pair])]
    for order in (facts, facts[::-1]):
        world = World(*order)
        assert certificate(world, host) == expected
        assert world.keys("c/") == ([f"c/{expected}"] if expected else [])


def test_the_oldest_ingress_with_tls_decides(certificates: Pairs) -> None:
    """g.8: for each host; an older one without TLS section has no say."""
    plain = simple("plain", "a.example", created="2019")
    old = secured("a.example", {"hosts": ["a.example"]}, name="old", created="2020")
    new = secured("a.example", name="new", created="2021")
    world = World(secret(certificates["a"]), plain, new)
    assert certificate(world, "a.example") == "shop/cert"
    world.tell(old)
    assert certificate(world, "a.example") == ""
    assert world.keys("c/") == []
    world.tell(gone(old))
    assert certificate(world, "a.example") == "shop/cert"
    world.tell(gone(new))
    assert certificate(world, "a.example") is None


def test_secrets_are_of_the_same_namespace(certificates: Pairs) -> None:
    """C3: a Secret of another namespace is never looked at."""
    world = World(secured(), secret(certificates["a"], namespace="desk"))
    assert certificate(world, "a.example") == ""
    assert world.keys("c/") == []


def test_what_a_certificate_entry_holds(certificates: Pairs) -> None:
    """Chain and key as PEM written anew, names, validity, fingerprint; the key shows in no finding and no repr."""
    chain, key = certificates["a"]
    world = World(secured(), secret((b"some text\n" + chain, b"\n" + key)))
    found = world.entry("c/shop/cert")
    assert isinstance(found, Certificate)
    assert found.names == ("a.example", "b.example")
    assert found.chain == chain.decode()
    assert "PRIVATE KEY" in found.key
    leaf = x509.load_pem_x509_certificate(chain)
    assert found.not_after == int(leaf.not_valid_after_utc.timestamp())
    assert found.not_before == int(leaf.not_valid_before_utc.timestamp())
    assert found.fingerprint == leaf.fingerprint(hashes.SHA256()).hex()
    assert "PRIVATE" not in repr(found)


def test_rotation_writes_one_entry(certificates: Pairs) -> None:
    """G4: a new pair for the same names changes the certificate and nothing else, whatever the number of hosts."""
    hosts = [
        secured(host, {"secretName": "cert"}, name=f"i{at}")
        for at, host in enumerate(["a.example", "b.example"])
    ]
    world = World(*hosts, secret(certificates["a"]))
    changes = world.tell(secret(make_certificate("a.example", ["a.example", "b.example"])))
    assert list(changes) == ["c/shop/cert"]
    changes = world.tell(secret(certificates["star"]))
    assert list(changes) == ["c/shop/cert"]
    changes = world.tell(secret(certificates["other"]))
    assert set(changes) == {"t/a.example", "t/b.example", "c/shop/cert"}
    assert changes["c/shop/cert"] is None


def test_unused_secrets_are_not_read(certificates: Pairs) -> None:
    """Nobody names it: no entry, no finding, however broken."""
    world = World(simple(), secret((b"nonsense", b"nonsense")))
    assert world.keys("c/") == []
    assert SECRET not in world.findings


def test_an_uncovered_host_is_told(certificates: Pairs) -> None:
    """The owner of the Ingress learns which names the certificate has."""
    world = World(secured("c.test"), secret(certificates["a"]))
    finding = world.finding("CertificateMismatch")
    assert (finding.object, finding.effect) == ("Ingress shop/web", Effect.WARNING)
    assert "a.example" in finding.message


# --- bad Secrets ------------------------------------------------------------------------------------------------------


def pem_key(key: Any, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))


def signed(key: Any, algorithm: Any, *, issuer: str = "a.example") -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2034, 1, 1, tzinfo=datetime.UTC))
        .sign(key, algorithm)
    )
    return made.public_bytes(Encoding.PEM)


def bad_secrets(good: Pairs) -> dict[str, tuple[bytes, bytes]]:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 weak is the point
    old = rsa.generate_private_key(65537, 2048)
    other = dsa.generate_private_key(2048)
    mine = ec.generate_private_key(ec.SECP256R1())
    return {
        "key of another": (good["a"][0], good["star"][1]),
        "no certificate": (b"", good["a"][1]),
        "no key": (good["a"][0], b""),
        "no PEM": (b"nonsense", b"nonsense"),
        "key is no PEM": (good["a"][0], b"nonsense"),
        "certificate as key": (good["a"][0], good["a"][0]),
        "leaf not first": (good["star"][0] + good["a"][0], good["a"][1]),
        "encrypted key": (signed(mine, hashes.SHA256()), pem_key(mine, b"secret")),
        "weak RSA": (signed(weak, hashes.SHA256()), pem_key(weak)),
        "signed with SHA-1": (_with_sha1(signed(old, hashes.SHA256(), issuer="ca")), pem_key(old)),
        "DSA": (good["a"][0], pem_key(other)),
        "long chain": (good["a"][0] * 11, good["a"][1]),
        "a megabyte": (good["a"][0] + b"#" * 2**20, good["a"][1]),
        "cut": (good["a"][0][:-100], good["a"][1]),
    }


def _with_sha1(chain: bytes) -> bytes:
    """Say of a certificate that it was signed with SHA-1 (which no library does any more)."""
    der = x509.load_pem_x509_certificate(chain).public_bytes(Encoding.DER)
    sha256, sha1 = (bytes.fromhex("2a864886f70d0101" + last) for last in ("0b", "05"))
    return x509.load_der_x509_certificate(der.replace(sha256, sha1)).public_bytes(Encoding.PEM)


@pytest.mark.parametrize("before", [True, False], ids=["was good", "never was"])
def test_bad_secrets(before: bool, certificates: Pairs) -> None:  # noqa: FBT001
    """G5: a bad Secret leaves the last good pair in use, or else the default certificate; it is told, and not shown."""
    for what, pair in bad_secrets(certificates).items():
        world = World(secured())
        if before:
            world.tell(secret(certificates["a"]))
        kept = world.entry("c/shop/cert")
        world.tell(secret(pair))
        assert world.entry("c/shop/cert") == kept, what
        assert certificate(world, "a.example") == ("shop/cert" if before else ""), what
        finding = world.finding("CertificateInvalid")
        assert finding.object == "Secret shop/cert"
        assert finding.effect is (Effect.REFUSED if before else Effect.IGNORED)
        assert finding.accepted
        for found in world.findings.values():
            assert "PRIVATE" not in repr(found)
        world.tell(secret(certificates["star"]))
        assert certificate(world, "a.example") == "shop/cert"
        assert "CertificateInvalid" not in world.kinds()


def test_a_last_good_pair_goes_with_its_last_host(certificates: Pairs) -> None:
    """Nothing uses it any longer: a host that comes later gets the default certificate, and the finding says so."""
    other = secured("c.test", name="other")
    world = World(secured(), other, secret(certificates["a"]))
    world.tell(secret((b"x", b"y")))
    assert world.finding("CertificateInvalid").message == "Its last good pair stays in use."
    world.tell(gone(secured()))
    assert world.keys("c/") == []
    assert world.finding("CertificateInvalid").message == "The default certificate is used."
    world.tell(secured())
    assert certificate(world, "a.example") == ""


def test_a_deleted_secret_is_gone(certificates: Pairs) -> None:
    """G5: whoever deletes a Secret means it; the host still counts as TLS."""
    world = World(secured(), secret(certificates["a"]))
    world.tell(gone(secret(certificates["a"])))
    assert certificate(world, "a.example") == ""
    assert world.keys("c/") == []
    world.tell(secret(bad_secrets(certificates)["key of another"]))
    assert certificate(world, "a.example") == ""


def test_a_last_good_pair_survives_a_restart(certificates: Pairs) -> None:
    """From the entries that were in force."""
    world = World(secured(), secret(certificates["a"]))
    world.tell(secret(bad_secrets(certificates)["key of another"]))
    again = World(
        secured(),
        secret(bad_secrets(certificates)["no PEM"]),
        last_good=last_good_of(world.translator.entries),
    )
    assert certificate(again, "a.example") == "shop/cert"
    assert again.entry("c/shop/cert") == world.entry("c/shop/cert")


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["RSA", "P-256", "P-384", "Ed25519"],
)
def test_kinds_of_keys(key: Any) -> None:
    """RSA, EC and Ed25519 keys, in whatever PEM form they come."""
    chain = signed(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    forms = [PrivateFormat.PKCS8]
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        forms.append(PrivateFormat.TraditionalOpenSSL)
    for form in forms:
        world = World(secured(), secret((chain, key.private_bytes(Encoding.PEM, form, NoEncryption()))))
        assert certificate(world, "a.example") == "shop/cert"


def test_chains(certificates: Pairs) -> None:
    """A chain goes on whole; one in which an issuer is missing is used, with a warning."""
    world = World(secured(), secret((certificates["a"][0] + certificates["star"][0], certificates["a"][1])))
    found = world.entry("c/shop/cert")
    assert isinstance(found, Certificate)
    assert found.chain.count("BEGIN CERTIFICATE") == 2
    assert world.finding("ChainOrder").effect is Effect.WARNING


def test_string_data() -> None:
    """A Secret in a folder may give its data as text."""
    chain, key = make_certificate("a.example")
    text = load("Secret", "cert", stringData={"tls.crt": chain.decode(), "tls.key": key.decode()})
    assert certificate(World(secured(), text), "a.example") == "shop/cert"


# --- time -------------------------------------------------------------------------------------------------------------


def test_certificates_out_of_their_time_are_used_and_told(certificates: Pairs) -> None:
    """What time it is changes findings, never entries."""
    pair = make_certificate("a.example", days=10)
    world = World(secured(), secret(pair))
    entries = dict(world.translator.entries)
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC).timestamp()
    for days, said in ((-1, "not valid yet"), (5, ""), (11, "expired")):
        world.translator.tell_time(start + days * 86400)
        world.work()
        assert dict(world.translator.entries) == entries
        found = [finding for finding in world.findings.get(SECRET, ()) if finding.type == "CertificateTime"]
        assert bool(found) is bool(said)
        assert not found or said in found[0].message


def test_a_pair_out_of_its_time_does_not_replace_one_that_is_good(certificates: Pairs) -> None:
    """G5: it waits until it is valid, or until the other is not any more; without another it is used."""
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC).timestamp()
    good, short = make_certificate("a.example", days=1000), make_certificate("a.example", days=10)
    world = World(secured(), secret(good))
    kept = world.entry("c/shop/cert")
    world.translator.tell_time(start + 20 * 86400)
    world.tell(secret(short))
    assert world.entry("c/shop/cert") == kept
    finding = world.finding("CertificateInvalid")
    assert (finding.effect, "expired" in finding.accepted) == (Effect.REFUSED, True)
    world.translator.tell_time(start + 1001 * 86400)
    world.work()
    assert world.entry("c/shop/cert") != kept
    assert "CertificateInvalid" not in world.kinds()
    alone = World(secured())
    alone.translator.tell_time(start + 20 * 86400)
    alone.tell(secret(short))
    assert certificate(alone, "a.example") == "shop/cert"
    early = World(secured(), secret(good))
    early.translator.tell_time(start - 86400)
    early.tell(secret(short))
    assert "not valid yet" in early.finding("CertificateTime").message


# --- the default certificate ------------------------------------------------------------------------------------------


def test_the_default_certificate(certificates: Pairs) -> None:
    """Flag --default-ssl-certificate: an entry of its own, kept when the Secret turns bad, told when it is missing."""
    options = msgspec.structs.replace(FOLDER, default_ssl_certificate="shop/cert")
    world = World(options=options)
    assert world.finding("SecretNotFound").object == "Secret shop/cert"
    world.tell(secret(certificates["a"]))
    kept = world.entry("c/_default")
    assert isinstance(kept, Certificate)
    assert world.keys("c/") == ["c/_default"]
    world.tell(secured())
    assert world.keys("c/") == ["c/_default", "c/shop/cert"]
    world.tell(gone(secured()), secret((b"x", b"y")))
    assert world.entry("c/_default") == kept
    again = World(secret((b"x", b"y")), options=options, last_good=last_good_of(world.translator.entries))
    assert again.entry("c/_default") == kept
    world.tell((SECRET, None))
    assert world.keys("c/") == []


def test_repr_of_secrets(certificates: Pairs) -> None:
    """G8: no key shows where objects are shown."""
    found = secret(certificates["a"])[1]
    assert isinstance(found, Secret)
    assert "BEGIN" not in repr(found)
