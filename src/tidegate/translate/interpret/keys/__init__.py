"""The keys of the global ConfigMap (reference, b): one module for each subject, one declaration for each key."""

from __future__ import annotations

from typing import Final

from tidegate.translate.interpret.declarations import Key
from tidegate.translate.interpret.keys import (
    connections,
    forwarding,
    logs,
    objects,
    profiles,
    routes,
    streams,
    tls,
    tracing,
    upstreams,
)
from tidegate.translate.interpret.keys._others import ACCEPTED, DEAD, NOT_YET, PROTECTIONS

__all__ = ["ACCEPTED", "BY_NAME", "DEAD", "KEYS", "NOT_YET", "PROTECTIONS", "SECRET"]

KEYS: Final[tuple[Key, ...]] = (
    *routes.KEYS,
    *profiles.KEYS,
    *objects.KEYS,
    *connections.KEYS,
    *upstreams.KEYS,
    *streams.KEYS,
    *forwarding.KEYS,
    *logs.KEYS,
    *tls.KEYS,
    *tracing.KEYS,
)
"""All keys that have an effect."""

BY_NAME: Final = {key.name: key for key in KEYS}

SECRET: Final = frozenset({"ssl-session-ticket-key"})
"""Keys whose values are never shown."""
