"""The merger: takes contributions as they change and keeps hosts, routes and backends as they should be.

``replace`` notes what a changed contribution touches; ``settle`` then decides it anew. Between the two nothing is decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tidegate.findings import Effect, Finding
from tidegate.kube.objects import Ref
from tidegate.model import Cause
from tidegate.translate.interpret.contributions import FALLBACK, Claim, Contribution, SlotKey
from tidegate.translate.interpret.families import protocols
from tidegate.translate.interpret.faults import cut
from tidegate.translate.merge.backends import BackendState
from tidegate.translate.merge.emission import Emission
from tidegate.translate.merge.hosts import HostState, Twin
from tidegate.translate.merge.ledger import Ledger, Note
from tidegate.translate.merge.ranks import Ranked
from tidegate.translate.merge.routes import Routes


class Merger:
    """The contributions that are in force, and what they come to."""

    def __init__(self, emission: Emission, ledger: Ledger) -> None:
        self.contributions: dict[Ref, Contribution] = {}
        self.hosts: dict[str, HostState] = {}
        self.backends: dict[str, BackendState] = {}
        self.routes = Routes(emission)
        self.touched_backends: dict[str, Cause] = {}
        """Backends whose entry has to be made anew."""
        self.touched_tls: dict[str, Cause] = {}
        """Hosts whose certificate has to be chosen anew, and what their handshakes need."""
        self.touched_passthrough: dict[str, Cause] = {}
        """Hosts whose TLS is or was passed through, and whose target may be another one."""
        self.renamed: set[tuple[str, Ref]] = set()
        """Backend and Ingress, where the one began or ceased to name the other."""
        self._named: dict[Ref, dict[str, Claim]] = {}
        self._emission = emission
        self._ledger = ledger
        self._slots: dict[SlotKey, Cause] = {}
        self._hosts: dict[str, Cause] = {}
        self._roles: dict[str, Cause] = {}
        self._gone: dict[str, Cause] = {}
        self._won: set[str] = set()

    # --- taking in ----------------------------------------------------------------------------------------------------

    def replace(self, ref: Ref, new: Contribution | None, cause: Cause) -> None:
        """Put a contribution in force instead of the one that the same Ingress had; None: it has none any longer."""
        old = self.contributions.get(ref)
        if new is None:
            self.contributions.pop(ref, None)
        else:
            self.contributions[ref] = new
        self._replace_claims(old, new, cause)
        self._replace_hosts(ref, old, new, cause)
        self._replace_names(ref, old, new, cause)

    def _replace_claims(self, old: Contribution | None, new: Contribution | None, cause: Cause) -> None:
        before, after = (old.claims if old else {}), (new.claims if new else {})
        same_terms = old is not None and new is not None and old.shared == new.shared
        for slot in before.keys() - after.keys():
            self._host(slot[0]).drop(before[slot])
            self._slots[slot] = cause
        is_canary = new is not None and new.shared.canary is not None
        changed = [claim for slot, claim in after.items() if not same_terms or before.get(slot) is not claim]
        for claim in changed:
            there = before.get(claim.slot)
            if same_terms and there == claim:
                continue
            host = self._host(claim.host)
            if there is not None:
                host.drop(there)
            host.put(claim, is_canary=is_canary)
            self._slots[claim.slot] = cause

    def _replace_hosts(
        self, ref: Ref, old: Contribution | None, new: Contribution | None, cause: Cause
    ) -> None:
        before, after = (old.hosts if old else frozenset()), (new.hosts if new else frozenset())
        same_terms = old is not None and new is not None and old.shared == new.shared
        for name in before - after:
            self._leave(self._host(name), ref, cause)
        for name in after if not same_terms else after - before:
            if new is not None:
                self._join(self._host(name), new, cause)

    def _join(self, host: HostState, contribution: Contribution, cause: Cause) -> None:
        shared = contribution.shared
        host.namers.put(contribution.ref, shared.order)
        host.secured = _ranked(host.secured, contribution, present=bool(shared.tls))
        host.asking = _ranked(host.asking, contribution, present=shared.asks_of_handshakes)
        host.passed = _ranked(host.passed, contribution, present=shared.passthrough)
        self._touch_host(host, cause)

    def _leave(self, host: HostState, ref: Ref, cause: Cause) -> None:
        host.namers.drop(ref)
        for ranked in (host.secured, host.asking, host.passed):
            if ranked is not None:
                ranked.drop(ref)
        self._touch_host(host, cause)

    def _touch_host(self, host: HostState, cause: Cause) -> None:
        self._hosts[host.name] = cause
        self.touched_tls[host.name] = cause
        if FALLBACK in host.claims or FALLBACK in host.winners:
            # Who made the host may be another one now.
            self._slots[host.name, FALLBACK] = cause

    def _replace_names(
        self, ref: Ref, old: Contribution | None, new: Contribution | None, cause: Cause
    ) -> None:
        before, after = self._named.pop(ref, {}), _backends(new)
        if after:
            self._named[ref] = after
        same_terms = old is not None and new is not None and old.shared == new.shared
        for name in before.keys() - after.keys():
            self.backends[name].leave(ref)
            self.renamed.add((name, ref))
            self._roles[name] = cause
        for name in after if not same_terms else after.keys() - before.keys():
            state = self.backends.get(name)
            if state is None:
                state = self.backends[name] = BackendState(after[name])
            if new is not None:
                state.join(new)
            self.renamed.add((name, ref))
            self._roles[name] = cause

    def _host(self, name: str) -> HostState:
        host = self.hosts.get(name)
        if host is None:
            host = self.hosts[name] = HostState(name)
        return host

    # --- protocols ----------------------------------------------------------------------------------------------------

    def set_protocol(self, backend: str, protocol: str, cause: Cause) -> None:
        """Say which protocol a backend's Service names; the routes to it are decided anew if that is another one."""
        state = self.backends[backend]
        if state.protocol != protocol:
            state.protocol = protocol
            self._touch_claims(state, cause)

    @property
    def is_settled(self) -> bool:
        """Say whether there is nothing to decide."""
        return not (self._slots or self._hosts or self._roles)

    def _protocol_of(self, claim: Claim) -> str:
        said = self.contributions[claim.ingress].shared.protocol
        return said or (self.backends[claim.backend].protocol if claim.backend else "")

    # --- deciding -----------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Decide everything that was touched, and write the entries of hosts and routes."""
        self._settle_roles()
        while self._slots:
            slots, self._slots = self._slots, {}
            for slot, cause in slots.items():
                self._settle_slot(slot, cause)
            self._turn_hosts({slot[0]: cause for slot, cause in slots.items()})
        for route, cause in self._gone.items():
            if route not in self._won:
                self.routes.delete(route, cause)
        self._gone, self._won = {}, set()
        hosts, self._hosts = self._hosts, {}
        for name, cause in hosts.items():
            self._settle_host(name, cause)

    def _settle_roles(self) -> None:
        roles, self._roles = self._roles, {}
        for name, cause in roles.items():
            state = self.backends[name]
            was_canary = state.role.canary is not None
            if state.take_role(self.contributions):
                self._pass_on_role(state, cause, turned=was_canary != (state.role.canary is not None))
            # Even with an old role: the backend itself, or the set of those that name it, may be new.
            self.touched_backends[name] = cause

    def _pass_on_role(self, state: BackendState, cause: Cause, *, turned: bool) -> None:
        for primary in state.beside.values():
            self.touched_backends[primary] = cause
        if turned:
            self._touch_claims(state, cause)

    def _touch_claims(self, state: BackendState, cause: Cause) -> None:
        for ref in state.namers.members:
            for slot, claim in self.contributions[ref].claims.items():
                if claim.backend == state.name:
                    self._slots[slot] = cause

    def _turn_hosts(self, names: dict[str, Cause]) -> None:
        for name, cause in names.items():
            host = self.hosts[name]
            self._hosts[name] = cause
            if host.turn():
                self._slots.update(dict.fromkeys(((name, key) for key in host.contested), cause))

    def _settle_host(self, name: str, cause: Cause) -> None:
        host = self.hosts.get(name)
        if host is None:
            return
        if host.passed is not None:
            self.touched_passthrough[name] = cause
        host.emit(self._emission, cause)
        if host.is_empty:
            del self.hosts[name]

    def _settle_slot(self, slot: SlotKey, cause: Cause) -> None:
        host, key = self._host(slot[0]), slot[1]
        contenders = self._ranked(host.claims.get(key, ()))
        eligible = [claim for claim in contenders if self._is_eligible(host, claim)]
        winner = eligible[0] if eligible else None
        twin = self._twin(eligible)
        winners = [claim for claim in (winner, twin) if claim is not None]
        before = host.served(key)
        for old in before:
            if all(claim.route != old.route for claim in winners):
                self._gone[old.route] = cause
        for claim in winners:
            self._won.add(claim.route)
            self.routes.set(self.contributions[claim.ingress], claim, self._protocol_of(claim), cause)
        terms = [(claim, self.contributions[claim.ingress]) for claim in winners]
        is_regex = any(contribution.is_regex(claim) for claim, contribution in terms)
        protects = any(made.shared.protects or bool(made.shared.deny) for _, made in terms)
        beside = Twin(twin, self._is_grpc(twin)) if twin is not None else None
        host.set_winner(key, winner, beside, is_regex=is_regex, protects=protects)
        for old in before:
            self._detach(slot, old, cause)
        self._attach_all(slot, winners, self._ranked(host.canaries.get(key, ())), cause)
        self._ledger.put(("slot", slot), self._slot_notes(host, key, winners, contenders))

    def _twin(self, eligible: list[Claim]) -> Claim | None:
        """Give who serves a path beside its winner: the one gRPC calls, the other the rest.

        Only of the winner's own namespace: nobody else may take requests away from it.
        """
        if not eligible or eligible[0].key == FALLBACK:
            return None
        winner = eligible[0]
        of_winner = self._is_grpc(winner)
        return next(
            (
                claim
                for claim in eligible[1:]
                if claim.ingress.namespace == winner.ingress.namespace and self._is_grpc(claim) != of_winner
            ),
            None,
        )

    def _is_grpc(self, claim: Claim) -> bool:
        return self._protocol_of(claim) in protocols.GRPC

    def _ranked(self, claims: Iterable[Claim]) -> list[Claim]:
        return sorted(claims, key=lambda claim: self.contributions[claim.ingress].shared.order)

    def _is_eligible(self, host: HostState, claim: Claim) -> bool:
        if claim.backend and self.backends[claim.backend].role.canary is not None:
            return False
        return claim.key != FALLBACK or host.name == "_" or claim.ingress == host.namers.first

    def _detach(self, slot: SlotKey, old: Claim, cause: Cause) -> None:
        """Take the canaries of a slot away from a backend that had won it."""
        state = self.backends.get(old.backend)
        if state is None:
            return
        for claim in state.canaries.pop(slot, ()):
            if claim.backend in self.backends:
                self.backends[claim.backend].beside.pop(slot, None)
            self.touched_backends[old.backend] = cause

    def _attach_all(self, slot: SlotKey, winners: list[Claim], canaries: list[Claim], cause: Cause) -> None:
        """Put the canaries of a slot beside the backends that won it: for gRPC beside the one for gRPC."""
        backends = {claim.backend for claim in winners}
        for claim in winners[: len(backends)]:
            is_alone = len(backends) == 1
            fitting = [c for c in canaries if is_alone or self._is_grpc(c) == self._is_grpc(claim)]
            self._attach(slot, claim, fitting, cause)

    def _attach(self, slot: SlotKey, winner: Claim, canaries: list[Claim], cause: Cause) -> None:
        if not winner.backend or not canaries:
            return
        self.backends[winner.backend].canaries[slot] = tuple(canaries)
        self.touched_backends[winner.backend] = cause
        for claim in canaries:
            if claim.backend:
                self.backends[claim.backend].beside[slot] = winner.backend

    # --- findings -----------------------------------------------------------------------------------------------------

    def _slot_notes(
        self, host: HostState, key: str, winners: list[Claim], contenders: list[Claim]
    ) -> Iterator[Note]:
        winner = winners[0] if winners else None
        for claim in contenders:
            if claim not in winners:
                yield from self._lost(host, claim, winner)
        if winner is not None and key in host.literals:
            yield _note(
                winner, Effect.WARNING, "NotRegex", "a regular expression",
                "The host has regular expressions because of another Ingress; this path is none and is taken literally.",
            )  # fmt: skip
        if winner is None:
            for claim in host.canaries.get(key, ()):
                yield _note(
                    claim, Effect.IGNORED, "CanaryUnmatched", "host, path and path type of an ordinary Ingress",
                    "No ordinary Ingress has this host, path and path type: the canary stands beside nothing.",
                )  # fmt: skip

    def _lost(self, host: HostState, claim: Claim, winner: Claim | None) -> Iterator[Note]:
        if claim.backend and self.backends[claim.backend].role.canary is not None:
            message = (
                f"An Ingress that goes first uses Service {claim.service}:{claim.port} as a canary only."
            )
            yield _note(claim, Effect.IGNORED, "CanaryOnly", "a Service that is not only a canary", message)
        elif winner is not None:
            message = f"{winner.ingress}, which goes first, has this host, path and path type already."
            yield _note(
                claim, Effect.IGNORED, "PathConflict", "a host and path that no other Ingress has", message
            )
        elif claim.key == FALLBACK:
            message = f"Host {host.name} was made by {host.namers.first}, which goes first."
            yield _note(claim, Effect.IGNORED, "PathConflict", "a host that no other Ingress has", message)


def _ranked(ranked: Ranked | None, contribution: Contribution, *, present: bool) -> Ranked | None:
    """Put a contribution among others, or take it out. Most hosts have no such ranks, and so no object for them."""
    if present:
        ranked = ranked or Ranked()
        ranked.put(contribution.ref, contribution.shared.order)
    elif ranked is not None:
        ranked.drop(contribution.ref)
    return ranked


def _backends(contribution: Contribution | None) -> dict[str, Claim]:
    if contribution is None:
        return {}
    claims = (*contribution.claims.values(), *([contribution.stand_in] if contribution.stand_in else ()))
    return {claim.backend: claim for claim in claims if claim.backend}


def _note(claim: Claim, effect: Effect, kind: str, accepted: str, message: str) -> Note:
    finding = Finding(
        effect, kind, str(claim.ingress), "", cut(f"{claim.host}{claim.path}"), accepted, message
    )
    return Note(claim.ingress, finding, claim.slot)
