"""Connections to backends."""

from __future__ import annotations

from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Key
from tidegate.translate.interpret.families import balancing
from tidegate.translate.interpret.keys._making import COUNT, POSITIVE

KEYS: Final[tuple[Key, ...]] = (
    Key(
        "upstream-keepalive-connections",
        COUNT,
        None,
        "Idle connections to backends in each worker.",
        node="upstream_keepalive_connections",
    ),
    Key(
        "upstream-keepalive-timeout",
        values.SECONDS,
        None,
        "Seconds that such a connection stays open.",
        node="upstream_keepalive_timeout",
    ),
    Key(
        "upstream-keepalive-requests",
        POSITIVE,
        None,
        "Requests of such a connection.",
        node="upstream_keepalive_requests",
    ),
    Key(
        "upstream-keepalive-time", values.DURATION, None, "Its longest life.", node="upstream_keepalive_time"
    ),
    Key(
        "load-balance",
        balancing.ALGORITHM,
        balancing.ROUND_ROBIN,
        "How endpoints share the requests of a backend whose Ingress does not say.",
        data="load_balance",
    ),
)
