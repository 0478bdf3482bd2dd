"""TCP and UDP services, and TLS that is passed through."""

from __future__ import annotations

from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Key
from tidegate.translate.interpret.keys._making import COUNT, flag

KEYS: Final[tuple[Key, ...]] = (
    Key(
        "proxy-stream-timeout",
        values.DURATION,
        None,
        "Seconds between two reads or writes of a TCP or UDP service's connection.",
        node="service_timeout",
    ),
    Key(
        "proxy-stream-responses",
        COUNT,
        None,
        "Datagrams that answer one of a client of a UDP service.",
        node="service_responses",
    ),
    flag(
        "proxy-stream-next-upstream",
        "Try another endpoint when one cannot be connected to.",
        node="service_retries",
    ),
    Key(
        "proxy-stream-next-upstream-tries",
        COUNT,
        None,
        "Endpoints to try, the first included; 0 is all.",
        node="service_tries",
    ),
    Key(
        "proxy-stream-next-upstream-timeout",
        values.DURATION,
        None,
        "Seconds for all tries; 0 is no limit.",
        node="service_tries_timeout",
    ),
)
