"""Which certificate answers for a host (reference g.8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from tidegate.findings import Effect, Finding
from tidegate.kube.objects import Ref
from tidegate.model import Certificate
from tidegate.translate.interpret.certificates import covers
from tidegate.translate.interpret.contributions import Contribution
from tidegate.translate.merge.ledger import Note


class Choice(msgspec.Struct, frozen=True):
    """The certificate of one host."""

    secret: Ref | None = None
    """None: the default certificate."""
    others: tuple[Ref, ...] = ()
    """Secrets of certificates with other kinds of keys, for clients that prefer one of those."""
    notes: tuple[Note, ...] = ()


def choose(host: str, contribution: Contribution, lookup: Callable[[Ref], Certificate | None]) -> Choice:
    """Choose for a host by the TLS sections of the first Ingress that has any."""
    secret = _named(host, contribution, lookup)
    if secret is None:
        return Choice()
    certificate = lookup(secret)
    if certificate is not None and covers(certificate.names, host):
        return Choice(secret, _others(host, contribution, secret, certificate, lookup))
    return Choice(None, (), tuple(_notes(host, contribution, secret, certificate)))


def _others(
    host: str,
    contribution: Contribution,
    first: Ref,
    certificate: Certificate,
    lookup: Callable[[Ref], Certificate | None],
) -> tuple[Ref, ...]:
    """Give what further TLS sections name for the host: one Secret for each other kind of key."""
    kinds, found = {certificate.kind}, []
    for section in contribution.shared.tls:
        if host not in section.hosts or not section.secret:
            continue
        secret = _secret(contribution, section.secret)
        other = lookup(secret) if secret != first else None
        if other is not None and other.kind not in kinds and covers(other.names, host):
            kinds.add(other.kind)
            found.append(secret)
    return tuple(found)


def _named(host: str, contribution: Contribution, lookup: Callable[[Ref], Certificate | None]) -> Ref | None:
    sections = contribution.shared.tls
    for section in sections:
        if host in section.hosts:
            return _secret(contribution, section.secret) if section.secret else None
    for section in sections:
        secret = _secret(contribution, section.secret)
        if section.secret and (found := lookup(secret)) is not None and covers(found.names, host):
            return secret
    return None


def _secret(contribution: Contribution, name: str) -> Ref:
    return Ref("Secret", contribution.ref.namespace, name)


def _notes(
    host: str, contribution: Contribution, secret: Ref, certificate: Certificate | None
) -> Iterator[Note]:
    if certificate is None:
        kind, message = "CertificateMissing", "there is no such Secret, or it has no usable certificate"
    else:
        kind = "CertificateMismatch"
        message = f"its certificate is for {', '.join(certificate.names[:5]) or 'no name at all'}"
    finding = Finding(
        Effect.WARNING, kind, str(contribution.ref), "spec.tls", secret.name, f"a Secret with a certificate for {host}",
        f"Host {host} gets the default certificate: {message}.",
    )  # fmt: skip
    yield Note(contribution.ref, finding)
