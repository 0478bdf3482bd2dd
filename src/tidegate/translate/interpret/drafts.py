"""Drafts: what the annotations of one Ingress ask for, read and typed, before its rules are looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tidegate.kube.objects import Ref
from tidegate.model import Affinity, Canary, HashBy, HealthCheck, Profile, Verify


class Balancing(msgspec.Struct, frozen=True):
    """How an Ingress wants the endpoints of its backends to share the requests."""

    algorithm: str = ""
    """Empty: as the ConfigMap says."""
    hash_by: HashBy | None = None
    affinity: Affinity | None = None
    check: HealthCheck | None = None
    protocol: str = ""
    """That the Ingress says its backends speak; only beside ``check``."""


NO_BALANCING: Final = Balancing()
"""Nothing is asked for: as the ConfigMap says."""


class ClientAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What an Ingress asks of the certificates of its hosts' clients (reference g.16)."""

    secret: str
    """As written: ``namespace/name``."""
    verify: Verify
    depth: int
    page: str
    forward: bool
    subject: str
    fault: str = ""
    """Why the Secret cannot be used, whatever is in it."""

    @property
    def ref(self) -> Ref:
        """Name the Secret. Not for one with a fault."""
        return Ref("Secret", *self.secret.split("/", 1))


@dataclass(slots=True)
class Draft:
    """Filled by the reader from each declaration's target, then completed by the families."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Data keys with their values."""
    profile: dict[str, int | bool | str] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)
    deny: str = ""
    protects: bool = False
    """Whether any annotation closes something that would be open without it."""
    use_regex: bool = False
    rewrite: str = ""
    """Target of the rewrite, still to be compared with each path."""
    vhost: tuple[str, ...] = ()
    """Literal, variable, literal, …, still to be filled in for each route."""
    service_upstream: bool | None = None
    protocol: str = ""
    """Of the backend; empty: what its Service says."""
    balancing: Balancing = NO_BALANCING
    passthrough: bool = False
    default_backend: str = ""
    """Name of the Service that answers for others."""
    passes_errors: bool | None = None
    client: ClientAsk | None = None
    ciphers: str = ""
    prefer_server_ciphers: bool | None = None
    canary: Canary | None = None
    """With an empty backend: each path has its own."""

    def location_profile(self) -> Profile:
        """Give the location profile."""
        return Profile(tuple(sorted(self.profile.items())))
