"""Work: what one step of translation found out."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tidegate.findings import Finding
from tidegate.kube.objects import Ref
from tidegate.model import Cause, NodeSettings, Profile, ServerProfile


class Work(msgspec.Struct, frozen=True):
    """Differences to what the steps before gave. A field that is None says: as before.

    Each Work is consistent in itself: routes name only backends that are in it or were given before, and so on for
    hosts, certificates and profiles. So it can be pushed alone.
    """

    changes: dict[str, bytes | None] = {}
    """Entries to set or (None) delete, by key."""
    causes: dict[str, Cause] = {}
    """Why, for each key of ``changes``."""
    findings: dict[Ref, tuple[Finding, ...]] = {}
    """All findings of each object whose findings changed; empty for an object that has none any longer."""
    profiles: Mapping[str, Profile] | None = None
    """All location profiles that routes name, by id, if that set changed; the default profile is not in it."""
    servers: Mapping[str, ServerProfile] | None = None
    """All server profiles, by id, if that set changed."""
    documents: Mapping[str, str] | None = None
    """All documents that ``node`` and ``servers`` name, with their text; given with either. They may be secret."""
    node: NodeSettings | None = None
    names: frozenset[str] | None = None
    """All DNS names whose addresses are wanted (``Translator.apply_resolved``), if that set changed."""
    done: bool = True
    """False if the budget ended before the work did."""

    def __bool__(self) -> bool:
        """Tell whether anything differs."""
        others = (self.profiles, self.servers, self.node, self.names)
        return bool(self.changes or self.findings) or any(other is not None for other in others)
