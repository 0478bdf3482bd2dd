"""The rules of an Ingress as claims (reference g.1, g.4), each checked as the API server and the guard have it."""

from __future__ import annotations

from typing import Final
from zlib import crc32

import msgspec

from tidegate.findings import Effect
from tidegate.guard import Unacceptable, names, paths, regex
from tidegate.kube.objects import HttpPath, Ingress, IngressBackend, IngressRule, Ref, ServicePortRef
from tidegate.store import shared_ends
from tidegate.translate.interpret.contributions import FALLBACK, Claim, Contribution
from tidegate.translate.interpret.families import errors
from tidegate.translate.interpret.faults import Faults

_KINDS: Final = {"Exact": "e", "Prefix": "p", "ImplementationSpecific": "p", None: "p"}


class Backing(msgspec.Struct, frozen=True, gc=False):
    """Where a path leads."""

    service: str = ""
    port: str = ""
    backend: str = ""


class Context(msgspec.Struct, frozen=True):
    """What the claims of an Ingress depend on, other than their own paths."""

    strict: bool
    deep: bool
    use_regex: bool
    rewrite: str
    default: Backing
    """Where a path with a backend other than a Service leads."""


class ClaimReader:
    """Turns the rules of one Ingress into claims; faults go to ``faults``."""

    def __init__(self, ref: Ref, context: Context, faults: Faults) -> None:
        self._ref = ref
        self._context = context
        self._faults = faults

    def rules(self, ingress: Ingress, before: Contribution | None) -> tuple[tuple[Claim, ...], ...]:
        """Give the claims of each rule. ``before``: an earlier version whose context was the same."""
        rules = (ingress.spec.rules if ingress.spec else None) or ()
        old_rules = (
            before.source.spec.rules if before and before.source and before.source.spec else None
        ) or ()
        found = []
        for at, rule in enumerate(rules):
            reusable = before is not None and at < len(old_rules) and at < len(before.by_rule)
            old = (old_rules[at], before.by_rule[at]) if before is not None and reusable else None
            found.append(self._rule(f"spec.rules[{at}]", rule, old))
        return tuple(found)

    def host(self, field: str, text: str | None) -> str | None:
        """Read a host, or refuse the Ingress."""
        try:
            # A DNS name can hold no path: there is nothing more to look for.
            return names.host(text or "")
        except Unacceptable as refusal:
            self._refuse("InvalidHost", field, text or "", str(refusal))
            return None

    def backing(self, field: str, backend: IngressBackend) -> Backing | None:
        """Read where a path leads, or refuse the Ingress."""
        if backend.service is None:
            return self._other_backing(field, backend)
        name, port = backend.service.name, backend.service.port
        try:
            names.label(name)
        except Unacceptable as refusal:
            self._refuse("InvalidBackend", f"{field}.service.name", name, str(refusal))
            return None
        text = self._port(f"{field}.service.port", port or ServicePortRef())
        return Backing(name, text, f"{self._ref.namespace}/{name}/{text}") if text else None

    def claim(self, host: str, key: str, backing: Backing) -> Claim:
        """Make a claim with its route id."""
        return Claim(
            self._ref,
            host,
            key,
            backing.service,
            backing.port,
            backing.backend,
            route_id(self._ref, host, key),
        )

    # --- one rule -----------------------------------------------------------------------------------------------------

    def _rule(
        self, field: str, rule: IngressRule, old: tuple[IngressRule, tuple[Claim, ...]] | None
    ) -> tuple[Claim, ...]:
        host = self.host(f"{field}.host", rule.host)
        items = (rule.http.paths if rule.http else None) or ()
        if host is None:
            # The object is refused already; its paths are judged all the same, so that all is said at once.
            for at, item in enumerate(items):
                self._path(f"{field}.http.paths[{at}]", "_", item)
            return ()
        start = end = 0
        taken: tuple[Claim, ...] = ()
        if old is not None and old[0].host == rule.host:
            old_items, taken = (old[0].http.paths if old[0].http else None) or (), old[1]
            start, end = shared_ends(old_items, items)
        middle = range(start, len(items) - end)
        fresh = [self._path(f"{field}.http.paths[{at}]", host, items[at]) for at in middle]
        claims = [claim for claim in fresh if claim is not None]
        return (*taken[:start], *claims, *(taken[len(taken) - end :] if end else ()))

    def _path(self, field: str, host: str, item: HttpPath) -> Claim | None:
        path = item.path or "/"
        kind = _KINDS.get(item.path_type)
        if kind is None:
            self._refuse(
                "InvalidPathType", f"{field}.pathType", item.path_type or "", ", ".join(filter(None, _KINDS))
            )
            return None
        fault = self._path_fault(path, is_plain=item.path_type in {"Exact", "Prefix"})
        backing = self.backing(f"{field}.backend", item.backend)
        if fault:
            self._refuse("InvalidPath", f"{field}.path", path, fault)
        return None if fault or backing is None else self.claim(host, kind + path, backing)

    def _path_fault(self, path: str, *, is_plain: bool) -> str:
        context = self._context
        if fault := paths.fault(path):
            return fault
        if context.deep and paths.looks_inside(path):
            return "a path that does not name files of the gateway"
        if is_plain and (fault := paths.plain_fault(path, strict=context.strict)):
            return fault
        if context.use_regex or (context.rewrite and context.rewrite != path):
            return regex.fault(path)
        return ""

    def _port(self, field: str, port: ServicePortRef) -> str:
        if (port.name is None) == (port.number is None):
            self._refuse("InvalidBackend", field, "", "either a number or a name")
        elif port.number is not None:
            if 1 <= port.number <= 65535:
                return str(port.number)
            self._refuse("InvalidBackend", f"{field}.number", str(port.number), "a number from 1 to 65535")
        else:
            try:
                return names.port_name(port.name or "")
            except Unacceptable as refusal:
                self._refuse("InvalidBackend", f"{field}.name", port.name or "", str(refusal))
        return ""

    def _other_backing(self, field: str, backend: IngressBackend) -> Backing | None:
        if backend.resource is None:
            self._refuse("InvalidBackend", field, "", "a service with name and port")
            return None
        message = "Only Services are served; requests go to the default backend."
        value = f"{backend.resource.kind} {backend.resource.name}"
        self._faults.add(Effect.IGNORED, "ResourceBackend", f"{field}.resource", value, "a service", message)
        return self._context.default

    def _refuse(self, kind: str, field: str, value: str, accepted: str) -> None:
        self._faults.add(Effect.REFUSED, kind, field, value, accepted)


def route_id(ref: Ref, host: str, key: str, more: int = 0) -> str:
    """Give the id of a route, ``more`` steps beyond the one that its host and path give."""
    number = (crc32(f"{host}{key}".encode()) + more) & 0xFFFFFFFF
    return f"{ref.namespace}/{ref.name}/{number:08x}"


def without_collisions(claims: dict[tuple[str, str], Claim]) -> dict[tuple[str, str], Claim]:
    """Give claims of one Ingress whose route ids all differ: of two with the same, the later by host and path steps on.

    Depends on nothing but the set of claims.
    """
    if len({claim.route for claim in claims.values()}) == len(claims):
        return claims
    taken: set[str] = set()
    settled = {}
    for slot in sorted(claims):
        claim, more = claims[slot], 0
        while (route := route_id(claim.ingress, *slot, more)) in taken:
            more += 1
        taken.add(route)
        settled[slot] = msgspec.structs.replace(claim, route=route)
    return {slot: settled[slot] for slot in claims}


def stand_in(ref: Ref, service: str) -> Claim:
    """Give the claim that names the first port of a Service as a backend, and claims no path for it."""
    return Claim(ref, "", "", service, errors.ANY_PORT, errors.backend_id(ref.namespace, service), "")


def fallbacks(reader: ClaimReader, backing: Backing, hosts: frozenset[str]) -> list[Claim]:
    """Give the claims of ``spec.defaultBackend``: for each host of the Ingress, or for all if it has no rules."""
    return [reader.claim(host, FALLBACK, backing) for host in sorted(hosts)]
