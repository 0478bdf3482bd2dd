"""When another endpoint is tried (reference a.3)."""

from __future__ import annotations

from typing import Final

from tidegate.guard import Unacceptable, values
from tidegate.guard.values import Type
from tidegate.translate.interpret.declarations import Annotation, InProfile, Risk

CONDITIONS: Final = (
    "error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504", "http_403", "http_404",
    "http_429", "non_idempotent", "off",
)  # fmt: skip

_ACCEPTED: Final = f"a space-separated list of {', '.join(CONDITIONS)}"


def _conditions(text: str) -> str:
    """Read the list; each word once, in one order, so that equal lists are one profile."""
    asked = set(text.split())
    if not asked or not asked <= set(CONDITIONS):
        raise Unacceptable(_ACCEPTED)
    return "off" if "off" in asked else " ".join(word for word in CONDITIONS if word in asked)


NEXT_UPSTREAM: Final = Type("ENUMS", _ACCEPTED, _conditions)

ANNOTATIONS: Final = (
    Annotation(
        "proxy-next-upstream",
        NEXT_UPSTREAM,
        InProfile("next_upstream"),
        "When another endpoint is tried; off stands alone.",
        risk=Risk.MEDIUM,
        config_key="proxy-next-upstream",
    ),
    Annotation(
        "proxy-next-upstream-timeout",
        values.integer(0, values.SECONDS_LIMIT),
        InProfile("tries_timeout"),
        "Seconds for all tries together; 0 is no limit.",
        config_key="proxy-next-upstream-timeout",
    ),
    Annotation(
        "proxy-http-version",
        values.enum("1.0", "1.1"),
        InProfile("http_version"),
        "Version of HTTP that the backend is asked in.",
        config_key="proxy-http-version",
    ),
)
