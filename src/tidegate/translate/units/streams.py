"""Connections that go to a Service as they are: TCP and UDP services, and TLS that is passed through by its server name.

Where they go is an entry; on which ports, and for which names, is part of the node settings.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tidegate.findings import Effect, Finding
from tidegate.kube.objects import Ref
from tidegate.model import Cause, NodeSettings, Target
from tidegate.translate.interpret import endpoints, services
from tidegate.translate.interpret.contributions import Claim, Contribution
from tidegate.translate.interpret.endpoints import Resolved
from tidegate.translate.interpret.services import StreamService
from tidegate.translate.merge.hosts import HostState
from tidegate.translate.merge.ledger import Note
from tidegate.translate.units.workshop import SERVICES, TARGET, Workshop, qualified

PROTOCOLS = ("tcp", "udp")


class Streams:
    """Builds the entries of ports and of passed-through hosts, and knows which there are."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._lines: dict[str, StreamService] = {}
        """By name of the target."""
        self._hosts: set[str] = set()
        self._names: dict[str, str] = {}
        self._node: tuple[NodeSettings, NodeSettings] | None = None
        self._configmaps = {
            "tcp": qualified(shop.options.tcp_services, "ConfigMap"),
            "udp": qualified(shop.options.udp_services, "ConfigMap"),
        }

    @property
    def wanted_names(self) -> frozenset[str]:
        """DNS names whose addresses targets want."""
        return frozenset(self._names.values())

    def units(self) -> Iterator[Ref]:
        """Give the units that are due at the start."""
        return (Ref(SERVICES, "", protocol) for protocol in PROTOCOLS if self._configmaps[protocol])

    def over(self, node: NodeSettings) -> NodeSettings:
        """Lay the ports and hosts that there are over node settings."""
        if self._node is None or self._node[0] is not node:
            ports = tuple(sorted(line.listener for line in self._lines.values()))
            hosts = tuple(sorted(self._hosts))
            self._node = node, msgspec.structs.replace(node, stream_ports=ports, passthrough_hosts=hosts)
        return self._node[1]

    # --- TCP and UDP services -----------------------------------------------------------------------------------------

    def read(self, protocol: str, cause: Cause) -> None:
        """Read the ConfigMap of a protocol anew; the ports whose line differs are due."""
        shop, ref = self._shop, self._configmaps[protocol]
        if ref is None:
            return
        view, unit = shop.view(), Ref(SERVICES, "", protocol)
        found = services.interpret(ref, view.configmap(ref.namespace, ref.name), protocol, shop.options.node)
        shop.readers.set(unit, view.seen)
        shop.ledger.put(unit, [Note(ref, finding) for finding in found.findings])
        before = {name: line for name, line in self._lines.items() if line.listener.protocol == protocol}
        after = {f"{protocol}/{port}": line for port, line in found.by_port.items()}
        for name in before.keys() - after.keys():
            del self._lines[name]
        self._lines |= after
        for name in before.keys() | after.keys():
            if before.get(name) != after.get(name):
                self._node = None
                shop.wake(Ref(TARGET, "", name), cause)

    def build(self, name: str, cause: Cause) -> None:
        """Build the entry of a target, or take it away."""
        self._shop.due[TARGET].pop(Ref(TARGET, "", name), None)
        kind, _, rest = name.partition("/")
        if kind == "sni":
            self._pass_through(rest, cause)
        elif (line := self._lines.get(name)) is not None:
            self._build_line(name, line, cause)
        else:
            self._remove(name, cause)

    def _build_line(self, name: str, line: StreamService, cause: Cause) -> None:
        found = self._resolve(name, line.namespace, line.service, line.port, protocol=line.listener.protocol)
        self._set(name, Target(line.namespace, line.service, line.port, found.endpoints), found, cause)
        ref = self._configmaps[line.listener.protocol]
        notes = list(_notes_of(found))
        if found.missing is not None and ref is not None:
            kind, accepted, message = found.missing
            value = f"{line.namespace}/{line.service}:{line.port}"
            finding = Finding(Effect.WARNING, kind, str(ref), f"data[{line.key}]", value, accepted, message)
            notes.append(Note(ref, finding))
        self._shop.ledger.put(Ref(TARGET, "", name), notes)

    # --- TLS passthrough (reference g.17) -----------------------------------------------------------------------------

    def _pass_through(self, host: str, cause: Cause) -> None:
        shop, name = self._shop, f"sni/{host}"
        state = shop.merger.hosts.get(host)
        first = state.passed.first if state is not None and state.passed is not None else None
        if state is None or first is None:
            self._remove(name, cause)
            return
        claim = _root(state)
        if claim is None or (lacking := _lacking(host, state, claim)):
            self._remove(name, cause)
            accepted = "a path / with a Service" if claim is None else lacking
            shop.ledger.put(Ref(TARGET, "", name), [_unpassed(first, host, accepted)])
            return
        contribution = shop.merger.contributions[claim.ingress]
        found = self._resolve(
            name,
            claim.ingress.namespace,
            claim.service,
            claim.port,
            by_cluster_ip=_by_cluster_ip(shop, claim),
        )
        # Of a route that is closed nothing may get through, and a connection cannot be answered with 503.
        served = () if contribution.shared.deny else found.endpoints
        if host not in self._hosts:
            self._hosts.add(host)
            self._node = None
        self._set(name, Target(claim.ingress.namespace, claim.service, claim.port, served), found, cause)
        shop.ledger.put(Ref(TARGET, "", name), _unheeded(contribution, host))

    # --- both ---------------------------------------------------------------------------------------------------------

    def _resolve(
        self,
        name: str,
        namespace: str,
        service: str,
        port: str,
        *,
        protocol: str = "tcp",
        by_cluster_ip: bool = False,
    ) -> Resolved:
        view, options = self._shop.view(), self._shop.options
        found = endpoints.resolve(
            view, namespace, service, port, options, by_cluster_ip=by_cluster_ip, protocol=protocol.upper()
        )
        self._shop.readers.set(Ref(TARGET, "", name), view.seen)
        return found

    def _set(self, name: str, target: Target, found: Resolved, cause: Cause) -> None:
        if found.name:
            self._names[name] = found.name
        else:
            self._names.pop(name, None)
        self._shop.emission.set(f"p/{name}", target, cause)

    def _remove(self, name: str, cause: Cause) -> None:
        shop, unit = self._shop, Ref(TARGET, "", name)
        host = name.removeprefix("sni/")
        if name.startswith("sni/") and host in self._hosts:
            self._hosts.discard(host)
            self._node = None
        self._names.pop(name, None)
        shop.readers.drop(unit)
        shop.ledger.put(unit)
        shop.emission.delete(f"p/{name}", cause)


def _root(state: HostState) -> Claim | None:
    """Give who won the path /; only its backend counts."""
    claim = state.winners.get("p/") or state.winners.get("e/")
    return claim if claim is not None and claim.backend else None


def _by_cluster_ip(shop: Workshop, claim: Claim) -> bool:
    state = shop.merger.backends.get(claim.backend)
    return state is not None and state.role.service_upstream


def _notes_of(found: Resolved) -> Iterator[Note]:
    for finding in found.findings:
        kind, _, name = finding.object.partition(" ")
        yield Note(Ref(kind, *name.split("/", 1)), finding)


def _lacking(host: str, state: HostState, claim: Claim) -> str:
    """Say what a host lacks to be passed through; empty if nothing.

    Passing it through switches off all that its Ingress objects ask for: that is for the namespace of the path / to say.
    """
    if host == "_" or host.startswith("*."):
        return "a host name without a wildcard"
    askers = state.passed.members if state.passed is not None else {}
    if all(ref.namespace != claim.ingress.namespace for ref in askers):
        return f"the annotation on an Ingress in namespace {claim.ingress.namespace}, whose path / it is"
    return ""


def _unpassed(ref: Ref, host: str, accepted: str) -> Note:
    message = "The gateway ends TLS for this host itself."
    return Note(
        ref, Finding(Effect.IGNORED, "PassthroughImpossible", str(ref), "spec.rules", host, accepted, message)
    )


def _unheeded(contribution: Contribution, host: str) -> list[Note]:
    """Say that what protects the Ingress does not hold where the gateway sees no request."""
    if not contribution.shared.protects:
        return []
    ref = contribution.ref
    finding = Finding(
        Effect.WARNING, "PassthroughUnguarded", str(ref), "metadata.annotations", host,
        "protections at the backend",
        "TLS connections for this host go to the backend as they are: what its annotations protect, they protect on "
        "plain HTTP only.",
    )  # fmt: skip
    return [Note(ref, finding)]
