"""Places: where in its manifest an Ingress has a path, or names a backend."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from tidegate.translate.interpret.contributions import FALLBACK, Contribution
from tidegate.translate.merge.ledger import Place


def places(contribution: Contribution | None, wanted: AbstractSet[Place]) -> dict[Place, str]:
    """Give the fields of the wanted slots and backends of an Ingress; of each the first."""
    found: dict[Place, str] = {}
    if contribution is None:
        return found
    for rule, claims in enumerate(contribution.by_rule):
        for path, claim in enumerate(claims):
            for place in (claim.slot, claim.backend):
                if place in wanted:
                    found.setdefault(place, f"spec.rules[{rule}].http.paths[{path}]")
    for slot, claim in contribution.claims.items():
        if slot[1] == FALLBACK:
            found.setdefault(slot, "spec.defaultBackend")
            found.setdefault(claim.backend, "spec.defaultBackend")
    return found
