"""Backends: endpoints and the canary beside them, written as entries."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tidegate.findings import Effect, Finding
from tidegate.kube.objects import Ref
from tidegate.model import Backend, Canary, Cause, HashBy
from tidegate.translate.interpret import endpoints
from tidegate.translate.interpret.contributions import Claim
from tidegate.translate.interpret.drafts import NO_BALANCING
from tidegate.translate.interpret.endpoints import Resolved
from tidegate.translate.interpret.families import health, templates
from tidegate.translate.interpret.families.errors import ANY_PORT
from tidegate.translate.interpret.faults import cut
from tidegate.translate.merge.backends import BackendState
from tidegate.translate.merge.ledger import Note
from tidegate.translate.units.workshop import BACKEND, INGRESS, Workshop


def _backend(state: BackendState, found: Resolved, canary: Canary | None) -> Backend:
    role = state.role
    # Pages are asked for by nobody's session.
    balancing = NO_BALANCING if state.port == ANY_PORT else role.balancing
    # Only sessions need them; a canary's are its primary's matter.
    keeps_sessions = balancing.affinity is not None or role.canary is not None
    return Backend(
        found.endpoints,
        found.draining if keeps_sessions else (),
        balancing.algorithm,
        _filled_in(balancing.hash_by, state),
        balancing.affinity,
        canary,
        health.of_backend(balancing, found.protocol),
    )


def _filled_in(hash_by: HashBy | None, state: BackendState) -> HashBy | None:
    if hash_by is None:
        return None
    known = {"namespace": state.namespace, "service_name": state.service, "service_port": state.port}
    return HashBy(tuple(templates.fill_in(hash_by.key, known)), hash_by.subset)


class Backends:
    """Builds backend entries."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._names: dict[str, str] = {}
        self._missing: dict[str, tuple[str, str, str]] = {}

    @property
    def wanted_names(self) -> frozenset[str]:
        """DNS names whose addresses backends want."""
        return frozenset(self._names.values())

    def build(self, name: str, cause: Cause) -> None:
        """Build the entry of a backend, or take it away if nobody names it."""
        shop = self._shop
        unit = Ref(BACKEND, "", name)
        shop.due[BACKEND].pop(unit, None)
        state = shop.merger.backends.get(name)
        if state is None or not state.namers:
            self._remove(unit, cause)
            return
        view = shop.view()
        by_cluster_ip = state.role.service_upstream
        found = endpoints.resolve(
            view, state.namespace, state.service, state.port, shop.options, by_cluster_ip=by_cluster_ip
        )
        shop.readers.set(unit, view.seen)
        ranked = self._ranked_canaries(state)
        canary = next((claim for claim in ranked if self._is_canary(claim, state)), None)
        shop.emission.set(f"b/{name}", _backend(state, found, self._canary(canary)), cause)
        shop.merger.set_protocol(name, found.protocol, cause)
        shop.ledger.put(unit, self._notes(state, found, ranked, canary))
        self._note_missing(state, found.missing)
        if found.name:
            self._names[name] = found.name
        else:
            self._names.pop(name, None)

    def _remove(self, unit: Ref, cause: Cause) -> None:
        shop = self._shop
        shop.merger.backends.pop(unit.name, None)
        shop.readers.drop(unit)
        shop.ledger.put(unit)
        shop.emission.delete(f"b/{unit.name}", cause)
        self._names.pop(unit.name, None)
        self._missing.pop(unit.name, None)

    # --- canaries (reference g.11) ------------------------------------------------------------------------------------

    def _ranked_canaries(self, state: BackendState) -> list[Claim]:
        """Give the canaries' claims beside a backend: by the order of their Ingress, then by host and path."""
        contributions = self._shop.merger.contributions
        claims = [claim for claims in state.canaries.values() for claim in claims]
        return sorted(claims, key=lambda claim: (contributions[claim.ingress].shared.order, claim.slot))

    def _is_canary(self, claim: Claim, state: BackendState) -> bool:
        """Say whether a claim's backend may stand beside another: it has to be a canary only, and another one."""
        if not claim.backend or claim.backend == state.name:
            return False
        return self._shop.merger.backends[claim.backend].role.canary is not None

    def _canary(self, claim: Claim | None) -> Canary | None:
        policy = self._shop.merger.backends[claim.backend].role.canary if claim else None
        return msgspec.structs.replace(policy, backend=claim.backend) if policy and claim else None

    # --- findings -----------------------------------------------------------------------------------------------------

    def _notes(
        self, state: BackendState, found: Resolved, ranked: list[Claim], chosen: Claim | None
    ) -> Iterator[Note]:
        for finding in found.findings:
            kind, _, name = finding.object.partition(" ")
            yield Note(Ref(kind, *name.split("/", 1)), finding)
        for claim in ranked:
            if chosen is None or claim.backend != chosen.backend:
                yield self._unused(claim, state, chosen)

    def _note_missing(self, state: BackendState, missing: tuple[str, str, str] | None) -> None:
        """Tell those who name a backend that it is not there, or that it is there again."""
        if missing == self._missing.get(state.name):
            return
        if missing is None:
            del self._missing[state.name]
        else:
            self._missing[state.name] = missing
        for ref in state.namers.members:
            self._note_for(state.name, ref)

    def note_renamed(self, renamed: set[tuple[str, Ref]]) -> None:
        """Tell those who began to name a backend that is not there; take it back from those who ceased to."""
        for name, ref in renamed:
            self._note_for(name, ref)

    def _note_for(self, name: str, ref: Ref) -> None:
        missing, state = self._missing.get(name), self._shop.merger.backends.get(name)
        source = ("missing", name, ref)
        if missing is None or state is None or ref not in state.namers.members:
            self._shop.ledger.put(source)
            return
        kind, accepted, message = missing
        if state.port == ANY_PORT:
            field = f"metadata.annotations[{self._shop.options.annotations_prefix}/default-backend]"
            finding = Finding(Effect.WARNING, kind, str(ref), field, state.service, accepted, message)
            self._shop.ledger.put(source, [Note(ref, finding)] if ref.kind == INGRESS else [])
            return
        value = f"{state.service}:{state.port}"
        finding = Finding(Effect.WARNING, kind, str(ref), ".backend.service", value, accepted, message)
        self._shop.ledger.put(source, [Note(ref, finding, name)])

    def _unused(self, claim: Claim, state: BackendState, chosen: Claim | None) -> Note:
        if claim.backend == state.name:
            accepted, message = (
                "another Service or port",
                "The ordinary Ingress has the same Service and port.",
            )
        elif chosen is not None and self._is_canary(claim, state):
            accepted = "one canary for each Service and port"
            message = f"{chosen.ingress}, which goes first, is the canary of {state.service}:{state.port}."
        else:
            accepted = "a Service and port that only canaries use"
            message = "An ordinary Ingress that goes first uses this Service and port."
        finding = Finding(
            Effect.IGNORED,
            "CanaryUnused",
            str(claim.ingress),
            "",
            cut(f"{claim.host}{claim.path}"),
            accepted,
            message,
        )
        return Note(claim.ingress, finding, claim.slot)
