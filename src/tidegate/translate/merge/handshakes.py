"""What the handshakes of one host need, decided among the Ingress objects that name it (reference g.6, g.16).

The oldest one with a Secret decides about client certificates for the whole host; ciphers, and whose order of them counts,
are the first that anybody gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from tidegate.findings import Effect, Finding
from tidegate.guard import Unacceptable
from tidegate.kube.objects import Ref
from tidegate.model import ClientTls, ServerProfile, Verify
from tidegate.translate.interpret.authorities import Authorities
from tidegate.translate.interpret.contributions import Contribution
from tidegate.translate.interpret.documents import name_of
from tidegate.translate.interpret.drafts import ClientAsk
from tidegate.translate.interpret.faults import cut
from tidegate.translate.merge.ledger import Note

_FIELD: Final = "metadata.annotations"


class Handshake(msgspec.Struct, frozen=True):
    """What is due for one host."""

    client: ClientTls | None = None
    profile: ServerProfile | None = None
    documents: dict[str, str] = {}
    """Documents that the profile names, with their text."""
    notes: tuple[Note, ...] = ()


def choose(
    host: str, contributions: Sequence[Contribution], lookup: Callable[[Ref], Authorities | None]
) -> Handshake:
    """Decide for a host. ``contributions`` are those that ask for anything, in their order.

    ``lookup`` gives the authorities of a Secret, None if there is none, and raises ``Unacceptable``.
    """
    asking = next((found for found in contributions if found.shared.client is not None), None)
    ciphers = next((found for found in contributions if found.shared.ciphers), None)
    preferring = next((f for f in contributions if f.shared.prefer_server_ciphers is not None), None)
    first = asking or ciphers or preferring
    if first is None:
        return Handshake()
    if host == "_":
        return _without_name(asking, first)
    profile = ServerProfile(
        host=host,
        namespace=first.ref.namespace,
        ciphers=ciphers.shared.ciphers if ciphers else "",
        prefer_server_ciphers=preferring.shared.prefer_server_ciphers if preferring else None,
    )
    handshake = Handshake(profile=profile)
    if asking is not None and asking.shared.client is not None:
        handshake = _of_clients(asking.ref, asking.shared.client, profile, lookup)
    if handshake.profile is not None and handshake.profile.policy == ServerProfile(host=""):
        return msgspec.structs.replace(handshake, profile=None)
    return handshake


def _of_clients(
    ref: Ref, ask: ClientAsk, profile: ServerProfile, lookup: Callable[[Ref], Authorities | None]
) -> Handshake:
    fault, found = ask.fault, None
    if not fault:
        try:
            found = lookup(ask.ref)
            fault = "" if found else "there is no such Secret"
        except Unacceptable as refusal:
            fault = f"it has to be {refusal}"
    if fault or found is None:
        deny = f"client certificates cannot be verified: Secret {cut(ask.secret)}: {fault}"
        note = _note(
            ref,
            Effect.DENIED,
            "AuthoritiesInvalid",
            ask.secret,
            "namespace/name of a Secret with ca.crt",
            deny,
        )
        return Handshake(ClientTls(deny=deny), profile, notes=(note,))
    if ask.verify is Verify.OFF:
        return Handshake(profile=profile)
    documents = {name_of(text, "pem"): text for text in (found.certificates, found.revoked) if text}
    profile = msgspec.structs.replace(
        profile,
        verify=ask.verify,
        depth=ask.depth,
        authorities=name_of(found.certificates, "pem"),
        revoked=name_of(found.revoked, "pem") if found.revoked else "",
    )
    client = ClientTls(verify=ask.verify, subject=ask.subject, page=ask.page, forward=ask.forward)
    notes = tuple(
        _note(ref, Effect.WARNING, "RevocationListMissing", ask.secret, "a list of each authority", oddity)
        for oddity in found.oddities
    )
    return Handshake(client, profile, documents, notes)


def _without_name(asking: Contribution | None, first: Contribution) -> Handshake:
    """Decide for the host of all other names: a handshake of its own needs a name."""
    message = (
        "A rule without a host shares its handshake with every unknown name; the annotation needs a host."
    )
    if asking is None or asking.shared.client is None:
        return Handshake(
            notes=(_note(first.ref, Effect.IGNORED, "HostNeeded", "", "rules with hosts", message),)
        )
    note = _note(
        asking.ref, Effect.DENIED, "HostNeeded", asking.shared.client.secret, "rules with hosts", message
    )
    return Handshake(ClientTls(deny="client certificates need a host"), notes=(note,))


def _note(ref: Ref, effect: Effect, kind: str, value: str, accepted: str, message: str) -> Note:
    return Note(ref, Finding(effect, kind, str(ref), _FIELD, cut(value), accepted, message))
