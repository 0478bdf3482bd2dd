"""How Ingress objects are interpreted."""

from __future__ import annotations

from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Key, Risk
from tidegate.translate.interpret.keys._making import flag

_RISK: Final = values.enum(
    "Low", "Medium", "High", "Critical", ignore_case=True, values={r.name.capitalize(): r for r in Risk}
)

KEYS: Final[tuple[Key, ...]] = (
    Key(
        "annotations-risk-level",
        _RISK,
        Risk.HIGH,
        "Risk above which annotations are refused.",
        policy="risk_level",
    ),
    Key(
        "annotation-value-word-blocklist",
        values.LIST,
        (),
        "Words that no annotation value may hold.",
        policy="forbidden_words",
    ),
    flag(
        "strict-validate-path-type",
        "Refuse patterns in Exact and Prefix paths.",
        default=True,
        policy="strict_paths",
    ),
    flag(
        "allow-cross-namespace-resources",
        "Let annotations name Secrets of other namespaces.",
        default=False,
        policy="cross_namespace",
    ),
    flag("service-upstream", "Send requests to cluster IPs.", default=False, policy="service_upstream"),
)
