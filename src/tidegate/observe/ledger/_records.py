"""The lines of a history. Each is one JSON object; ``kind`` says which.

All times are seconds of the wall clock. The client's do not jump when that clock is set: they are its start plus what a
steady clock has counted since. Unknown fields are passed over, so that older checks read newer histories.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

ID: Final = "X-Ledger-Id"
"""Header of a request, and of the answer of whoever carried it out."""
INSTANCE: Final = "X-Ledger-Instance"
"""Header of an answer: who carried the request out. Without it an answer counts as the gateway's own."""
TENANT: Final = "X-Ledger-Tenant"
BODY: Final = "X-Ledger-Body"
"""Header of an answer: ``digest`` of its body, as the backend sent it."""


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is asked for: a URL, and whose it is."""

    name: str
    url: str
    tenant: str = ""
    """Whose backends have to answer; empty: not checked."""


class Run(msgspec.Struct, frozen=True, tag_field="kind", tag="run"):
    """A load begins."""

    run: str
    started: float
    rate: float
    mix: dict[str, int]
    targets: list[Target]


class End(msgspec.Struct, frozen=True, tag_field="kind", tag="end"):
    """A load has ended; its ids are ``<run>-0`` … ``<run>-<asked - 1>``."""

    run: str
    asked: int
    ended: float
    cpu: float = 0.0
    """Seconds of processor time that the client took."""
    reopened: int = 0
    """Connections that were closed between two requests; nothing is lost by that."""


class Asked(msgspec.Struct, frozen=True, tag_field="kind", tag="asked", omit_defaults=True):
    """What became of one request, as its client saw it."""

    id: str
    target: str
    how: str
    method: str
    due: float
    """When it had to be sent; the time that a user waits counts from here."""
    sent: float
    """When it was sent, or its connection was last tried."""
    done: float
    status: int = 0
    """0: no answer."""
    error: str = ""
    """Why there is no whole answer."""
    instance: str = ""
    tenant: str = ""
    echoed: str = ""
    """The id in the answer."""
    body: str = ""
    """``digest`` of the body received."""
    claimed: str = ""
    """``digest`` of the body, as the backend says it sent it."""
    gave: str = ""
    """``digest`` of the body sent."""


class Executed(msgspec.Struct, frozen=True, tag_field="kind", tag="executed", omit_defaults=True):
    """A backend has carried out a request; written before it answers."""

    id: str
    instance: str
    method: str
    at: float
    tenant: str = ""
    got: str = ""
    """``digest`` of the body received."""
    gave: str = ""
    """``digest`` of the body of the answer."""


class Member(msgspec.Struct, frozen=True, tag_field="kind", tag="member", omit_defaults=True):
    """An instance belongs to a target for some time."""

    target: str
    instance: str
    since: float = 0.0
    until: float | None = None
    """None: it still does."""


Record = Run | End | Asked | Executed | Member


def digest(body: bytes) -> str:
    """Give what stands for a body in a history: 16 hex digits of its SHA-256; nothing for an empty one."""
    return hashlib.sha256(body).hexdigest()[:16] if body else ""
