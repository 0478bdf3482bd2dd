"""Backends: who names them, what the first of those says about them, and which canary stands beside them (g.6, g.11).

All of an algorithm comes from the first Ingress that names a backend, all of its sessions from the first that asks for any.
(The predecessor takes the cookie's details from the last one.)
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tidegate.kube.objects import Ref
from tidegate.model import Canary
from tidegate.translate.interpret.contributions import Claim, Contribution, SlotKey
from tidegate.translate.interpret.drafts import Balancing
from tidegate.translate.merge.ranks import Ranked


class Role(msgspec.Struct, frozen=True):
    """What the first Ingress that names a backend says about it."""

    canary: Canary | None = None
    """If not None, the backend is only a canary: no route leads to it."""
    service_upstream: bool = False
    balancing: Balancing = Balancing()


class BackendState:
    """All that is known about one backend, but not its endpoints."""

    __slots__ = (
        "beside", "canaries", "name", "namers", "namespace", "port", "protocol", "role", "service", "sticky",
    )  # fmt: skip

    def __init__(self, claim: Claim) -> None:
        self.name = claim.backend
        self.namespace = claim.backend.partition("/")[0]
        self.service = claim.service
        self.port = claim.port
        self.namers = Ranked()
        self.sticky: Ranked | None = None
        """Those among them that ask for sessions."""
        self.role = Role()
        self.protocol = ""
        """As the Service says; empty if it says nothing."""
        self.canaries: dict[SlotKey, tuple[Claim, ...]] = {}
        """Claims of canaries on the slots that this backend won."""
        self.beside: dict[SlotKey, str] = {}
        """If it is a canary: the backends that it stands beside."""

    def join(self, contribution: Contribution) -> None:
        """Note that an Ingress names the backend."""
        ref, shared = contribution.ref, contribution.shared
        self.namers.put(ref, shared.order)
        if shared.balancing.affinity:
            self.sticky = self.sticky or Ranked()
            self.sticky.put(ref, shared.order)
        elif self.sticky is not None:
            self.sticky.drop(ref)

    def leave(self, ref: Ref) -> None:
        """Note that an Ingress does not name the backend any more."""
        self.namers.drop(ref)
        if self.sticky is not None:
            self.sticky.drop(ref)

    def take_role(self, contributions: Mapping[Ref, Contribution]) -> bool:
        """Take over what the first namers say; tell whether that is new."""
        first, sticky = self.namers.first, self.sticky.first if self.sticky else None
        role = Role()
        if first is not None:
            shared = contributions[first].shared
            affinity = contributions[sticky].shared.balancing.affinity if sticky else None
            balancing = msgspec.structs.replace(shared.balancing, affinity=affinity)
            role = Role(shared.canary, shared.service_upstream, balancing)
        changed = role != self.role
        self.role = role
        return changed
