"""Backends: who names them, what the first of those says about them, and which canary stands beside them (g.6, g.11)."""

from __future__ import annotations

import msgspec

from tidegate.model import Canary
from tidegate.translate.interpret.contributions import Claim, Contribution, SlotKey
from tidegate.translate.merge.ranks import Ranked


class Role(msgspec.Struct, frozen=True):
    """What the first Ingress that names a backend says about it."""

    canary: Canary | None = None
    """If not None, the backend is only a canary: no route leads to it."""
    service_upstream: bool = False


class BackendState:
    """All that is known about one backend, but not its endpoints."""

    __slots__ = ("beside", "canaries", "name", "namers", "namespace", "port", "protocol", "role", "service")

    def __init__(self, claim: Claim) -> None:
        self.name = claim.backend
        self.namespace = claim.backend.partition("/")[0]
        self.service = claim.service
        self.port = claim.port
        self.namers = Ranked()
        self.role = Role()
        self.protocol = ""
        """As the Service says; empty if it says nothing."""
        self.canaries: dict[SlotKey, tuple[Claim, ...]] = {}
        """Claims of canaries on the slots that this backend won."""
        self.beside: dict[SlotKey, str] = {}
        """If it is a canary: the backends that it stands beside."""

    def take_role(self, contribution: Contribution | None) -> bool:
        """Take over what the first namer says; tell whether that is new."""
        shared = contribution.shared if contribution else None
        role = Role(shared.canary, shared.service_upstream) if shared else Role()
        changed = role != self.role
        self.role = role
        return changed
