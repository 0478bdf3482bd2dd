"""Groups: the entries that must change together, because one object led to all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from tidegate.dataplane.delta._references import Facts
from tidegate.model import Cause


class Urgency(IntEnum):
    """What goes first. An endpoint that is gone turns requests into errors until it is known to be gone."""

    ENDPOINTS = 0
    EDIT = 1
    RESYNC = 2


class Parked(StrEnum):
    """Why a group waits although there is room."""

    NO = ""
    PROFILE = "profile"
    """A route of it names a location profile that nginx does not know yet."""
    FULL = "full"
    """It did not fit into nginx's memory; it is tried again later."""
    BEHIND = "behind"
    """It names entries of a group that waits."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry as it is to become."""

    value: bytes | None
    """None: it is to go."""
    cause: Cause
    facts: Facts

    @property
    def size(self) -> int:
        """Give the bytes that its value takes."""
        return len(self.value) if self.value is not None else 0


@dataclass(slots=True)
class Group:
    """Entries that change together. Only the queue changes it."""

    id: int
    """Rising; the age of a group and so its place among those of equal urgency."""
    urgency: Urgency
    changes: dict[str, Change] = field(default_factory=dict)
    alone: bool = False
    """True after a delta that held it did not fit: sent by itself, so that it is known whether it is to blame."""
    failures: int = 0
    """How often it did not fit by itself."""
    parked: Parked = Parked.NO

    @property
    def size(self) -> int:
        """Give the bytes of all values."""
        return sum(change.size for change in self.changes.values())

    @property
    def profiles(self) -> set[str]:
        """Give the location profiles that its routes name."""
        return {change.facts.profile for change in self.changes.values() if change.facts.profile}

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Give the causes, each once, in the order in which they came."""
        return tuple(dict.fromkeys(change.cause for change in self.changes.values()))
