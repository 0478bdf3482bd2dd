"""What the keeper answers, as types for both sides of its socket."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

PROTOCOL: Final = 1
"""Of the keeper's socket. Fields that the other side does not know are passed over, so it changes only when a request
or an entry would mean something else than before; a controller leaves a keeper with another protocol alone."""


class Store(msgspec.Struct, frozen=True):
    """Room in nginx's shared memory for entries, in bytes."""

    capacity: int = 0
    free: int = 0


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the data plane is."""

    version: int = 0
    """Version in force in nginx; while nginx is down, the one that it will start with."""
    generation: str = ""
    """Of the configuration that nginx's current workers run; empty while there is none."""
    profiles: tuple[str, ...] = ()
    """Ids of the location profiles that every current worker knows."""
    workers: tuple[int, ...] = ()
    """Process ids of the current workers."""
    master: int = 0
    """Process id of nginx's master, 0 while nginx is down."""
    keeper: int = 0
    persisted: bool = True
    """False while the disk lacks changes that are in force."""
    draining: bool = False
    ending: bool = False
    """True if the keeper itself ends once nginx has."""
    ready: bool = False
    store: Store = Store()
    reloads: int = 0
    """Reloads since this keeper began."""
    handovers: int = 0
    restarts: int = 0
    """How often nginx's master died under this keeper, which then starts it again."""
    retiring: int = 0
    """Old generations of workers that still finish their requests."""
    protocol: int = 1
    """What the keeper speaks; see `PROTOCOL`. One that does not say so speaks the first."""
    trouble: str = ""
    """What goes wrong at the moment, in words; empty if nothing does."""


class How(StrEnum):
    """How a configuration came into force."""

    UNCHANGED = "unchanged"
    STARTED = "started"
    RELOADED = "reloaded"
    HANDED_OVER = "handed over"


class Word(StrEnum):
    """Why something was not done: the stable words of the protocol."""

    CONFLICT = "conflict"
    """The delta builds on another version than the one in force."""
    FULL = "full"
    """The delta does not fit into nginx's memory; nothing of it is in force."""
    DOWN = "down"
    """nginx does not answer."""
    REFUSED = "refused"
    """nginx does not take the configuration; the previous one is in force."""
    IN_USE = "in_use"
    """A port belongs to another process."""
    MALFORMED = "malformed"
    """The request is not what the protocol asks for."""
    FAILED = "failed"
    """The machine failed: a disk, a limit."""
