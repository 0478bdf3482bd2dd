"""Findings: what was refused or ignored, and why. Returned with results, never raised."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["Effect", "Finding"]


class Effect(StrEnum):
    """What a finding means for traffic."""

    REFUSED = "refused"
    """The object (or file) is not in force as written: its last good version is, or nothing if it never had one."""
    DENIED = "denied"
    """The routes of the object answer 503, because a protection could not be understood."""
    IGNORED = "ignored"
    """One value has no effect; the rest of the object has."""
    WARNING = "warning"
    """In force as written, but probably not as meant."""
    FAILED = "failed"
    """The gateway itself could not do something (store full, disk full, configuration refused)."""


class Finding(msgspec.Struct, frozen=True, order=True, omit_defaults=True):
    """One thing that is wrong, with what to write instead."""

    effect: Effect
    type: str
    """Stable name in CamelCase, e.g. ``InvalidValue``, ``PathConflict``, ``NotYaml``."""
    object: str
    """``Kind namespace/name``, or empty if the fault is in a file as such."""
    field: str
    """Path of the field, e.g. ``metadata.annotations[nginx.ingress.kubernetes.io/proxy-body-size]``."""
    value: str
    """The offending value, cut to 200 characters; never a secret."""
    accepted: str
    """What would be accepted, in words or as an example."""
    message: str = ""
    """The rest of the story, if the above does not tell it."""
    file: str = ""
    line: int = 0
    """Place in the source, 1-based; 0 if not known."""
