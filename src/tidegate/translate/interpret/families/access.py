"""Who may come in (reference a.4)."""

from __future__ import annotations

from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Annotation, Data, Invalid, Risk

ANNOTATIONS: Final = (
    Annotation(
        "allowlist-source-range",
        values.CIDRS,
        Data("allow"),
        "Client networks that may come in; all others are answered 403.",
        risk=Risk.MEDIUM,
        invalid=Invalid.DENY,
        config_key="whitelist-source-range",
        aliases=("whitelist-source-range",),
    ),
)
