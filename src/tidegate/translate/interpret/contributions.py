"""Contributions: what one Ingress asks for, interpreted alone. Compared and merged, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tidegate.findings import Finding
from tidegate.kube.objects import Ingress, Ref
from tidegate.model import Canary, PathKind, Profile
from tidegate.translate.interpret.backend_tls import BackendTls
from tidegate.translate.interpret.drafts import Balancing, ClientAsk

SlotKey = tuple[str, str]
"""Host, and kind and path in one text: what claims compete for."""

FALLBACK: Final = "d/"
"""The second half of the slot for all that a host's rules do not match."""

Order = tuple[float, bytes]
"""Sorts Ingress objects by who goes first."""

_INVERTED: Final = bytes(255 - byte for byte in range(256))
LAST: Final[Order] = (float("inf"), b"")


def order_of(ref: Ref, created: str | None) -> Order:
    """Say when an Ingress has its turn: oldest first, equal ages by ``namespace/name`` descending (reference g.6)."""
    name = f"{ref.namespace}/{ref.name}".encode("utf-8", "surrogatepass").translate(_INVERTED) + b"\xff"
    return _seconds(created), name


def _seconds(created: str | None) -> float:
    """Read RFC 3339; what is absent or unreadable counts as the oldest."""
    try:
        moment = datetime.fromisoformat(created) if created else None
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() if moment else 0.0


class Claim(msgspec.Struct, frozen=True, gc=False):
    """One path that an Ingress claims for one of its backends."""

    ingress: Ref
    host: str
    key: str
    """Kind and path, as in ``p/cart``."""
    service: str
    port: str
    backend: str
    """Backend id; empty: the built-in default backend."""
    route: str
    """Route id."""

    @property
    def kind(self) -> PathKind:
        """Give the path's kind. Not for a fallback."""
        return PathKind(self.key[0])

    @property
    def path(self) -> str:
        """Give the path as the Ingress wrote it."""
        return self.key[1:]

    @property
    def slot(self) -> SlotKey:
        """Give what this claim competes for."""
        return self.host, self.key


class TlsSection(msgspec.Struct, frozen=True):
    """One item of ``spec.tls``."""

    hosts: frozenset[str]
    secret: str


class Shared(msgspec.Struct, frozen=True):
    """What all claims of an Ingress have in common; as long as it is equal, claims can be compared one by one."""

    order: Order
    settings: Mapping[str, Any]
    profile: Profile
    deny: str
    use_regex: bool
    rewrite: str
    vhost: tuple[str, ...]
    service_upstream: bool
    protocol: str
    """Of the backends, as the annotation says; empty: as each Service says."""
    balancing: Balancing
    backend_tls: BackendTls | None
    """Wherever they speak TLS."""
    canary: Canary | None
    tls: tuple[TlsSection, ...]
    protects: bool = False
    """Whether any annotation closes something that would be open without it."""
    passthrough: bool = False
    """TLS for the hosts goes to the backend as it is."""
    client: ClientAsk | None = None
    ciphers: str = ""
    prefer_server_ciphers: bool | None = None

    @property
    def asks_of_handshakes(self) -> bool:
        """Say whether hosts need handshakes of their own."""
        return self.client is not None or bool(self.ciphers) or self.prefer_server_ciphers is not None


class Contribution(msgspec.Struct, frozen=True):
    """All that one Ingress asks for."""

    ref: Ref
    source: Ingress | None
    """The object that was interpreted; None for what flags ask for."""
    shared: Shared
    claims: Mapping[SlotKey, Claim]
    """Also those of a canary, which claim nothing but stand beside the claims of others."""
    hosts: frozenset[str]
    """Hosts that exist because of this Ingress (none for a canary)."""
    by_rule: tuple[tuple[Claim, ...], ...] = ()
    """Claims in the order of the rules and paths, so that the next version can take over what is equal."""
    stand_in: Claim | None = None
    """The default backend of the Ingress's own, as a claim on no path: it only names a backend."""
    context: object = None
    """What the claims depended on besides their paths; None: they must be made anew."""

    def is_regex(self, claim: Claim) -> bool:
        """Say whether a claim makes its host a regex host (reference g.2)."""
        shared = self.shared
        return shared.use_regex or (bool(shared.rewrite) and shared.rewrite != claim.path)


class Outcome(msgspec.Struct, frozen=True):
    """The end of an interpretation: a contribution, or none (not ours, or refused); and what was found."""

    contribution: Contribution | None
    findings: tuple[Finding, ...] = ()
    refused: bool = False
    written: bytes = b""
    """The object as JSON, if it gave a contribution."""
