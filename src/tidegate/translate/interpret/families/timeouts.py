"""Timeouts and tries towards the backend (reference a.3)."""

from __future__ import annotations

from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Annotation, Data

ANNOTATIONS: Final = (
    Annotation(
        "proxy-connect-timeout",
        values.SECONDS,
        Data("connect_timeout"),
        "Seconds to wait for a connection to the backend.",
        config_key="proxy-connect-timeout",
    ),
    Annotation(
        "proxy-send-timeout",
        values.SECONDS,
        Data("send_timeout"),
        "Seconds between two writes of the request to the backend.",
        config_key="proxy-send-timeout",
    ),
    Annotation(
        "proxy-read-timeout",
        values.SECONDS,
        Data("read_timeout"),
        "Seconds between two reads of the response from the backend.",
        config_key="proxy-read-timeout",
    ),
    Annotation(
        "proxy-next-upstream-tries",
        values.integer(0),
        Data("tries"),
        "Endpoints to try, the first included; 0 tries each one.",
        config_key="proxy-next-upstream-tries",
    ),
)
