"""Ingress objects: each interpreted alone, or its last good version instead."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tidegate.kube.objects import Ingress, Ref, Resource
from tidegate.model import Cause
from tidegate.store import View
from tidegate.translate.interpret import ingresses
from tidegate.translate.interpret.contributions import Outcome
from tidegate.translate.merge.ledger import Note
from tidegate.translate.units.workshop import Workshop


class Ingresses:
    """Interprets Ingress objects and hands their contributions to the merger."""

    def __init__(self, shop: Workshop, last_good: Mapping[Ref, Resource]) -> None:
        self._shop = shop
        self._good = {ref: found for ref, found in last_good.items() if isinstance(found, Ingress)}

    def interpret(self, ref: Ref, cause: Cause) -> None:
        """Interpret an Ingress anew."""
        shop = self._shop
        ingress = shop.store.get(ref)
        view = shop.view()
        outcome = self._outcome(ref, ingress, view) if isinstance(ingress, Ingress) else Outcome(None)
        shop.ledger.put(ref, [Note(ref, finding) for finding in outcome.findings])
        if outcome.refused:
            # The version that is refused says whether the Ingress is ours; what is in force is the one before.
            kept = self._good.get(ref)
            outcome = self._outcome(ref, kept, view) if kept else outcome
        elif outcome.contribution is None:
            self._good.pop(ref, None)
        elif isinstance(ingress, Ingress):
            self._good[ref] = ingress
        self._keep(ref, outcome, cause)
        shop.merger.replace(ref, outcome.contribution, cause)
        shop.readers.set(ref, view.seen)
        shop.ledger.moved(ref)

    def _keep(self, ref: Ref, outcome: Outcome, cause: Cause) -> None:
        """Write the last good version down for the next start, be it in force or not."""
        good, key = self._good.get(ref), f"o/{ref.kind}/{ref.namespace}/{ref.name}"
        if good is None:
            self._shop.emission.delete(key, cause)
        else:
            self._shop.emission.set(key, msgspec.Raw(outcome.written or msgspec.json.encode(good)), cause)

    def _outcome(self, ref: Ref, ingress: Ingress, view: View) -> Outcome:
        shop = self._shop
        before = shop.merger.contributions.get(ref)
        return ingresses.interpret(ref, ingress, view, shop.options, shop.policy, before)
