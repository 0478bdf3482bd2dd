"""Services and what stands behind them: the endpoints of one backend (reference g.13)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from tidegate.findings import Effect, Finding
from tidegate.guard import Unacceptable, addresses, names
from tidegate.kube.objects import (
    EndpointConditions,
    Endpoints,
    EndpointSlice,
    Object,
    Service,
    ServicePort,
    SlicePort,
)
from tidegate.model import Endpoint
from tidegate.store import View
from tidegate.translate._options import Options
from tidegate.translate.interpret.families import protocols
from tidegate.translate.interpret.families.errors import ANY_PORT
from tidegate.translate.interpret.faults import Faults

_REFUSALS_SHOWN: Final = 5
"""Findings about addresses of one backend; the first few show the mistake."""

LOCALHOST: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})


class Resolved(msgspec.Struct, frozen=True):
    """What stands behind a backend."""

    endpoints: tuple[Endpoint, ...] = ()
    """Sorted, each once."""
    draining: tuple[Endpoint, ...] = ()
    """Those that still serve and will end; none of them is among ``endpoints``."""
    missing: tuple[str, str, str] | None = None
    """If the Ingress names what is not there: type of the finding, what would be accepted, message."""
    findings: tuple[Finding, ...] = ()
    """Findings about the Service and its slices."""
    name: str = ""
    """DNS name whose addresses are wanted."""
    protocol: str = ""
    """What the ``appProtocol`` of the Service's port stands for; empty if it says nothing that is known."""


def resolve(
    view: View,
    namespace: str,
    service: str,
    port: str,
    options: Options,
    *,
    by_cluster_ip: bool,
    protocol: str = "TCP",
) -> Resolved:
    """Find the endpoints of a Service's port; ``port`` is its number, target port or name."""
    return _Resolution(view, namespace, service, port, options, protocol).resolve(by_cluster_ip=by_cluster_ip)


def matching_port(service: Service, port: str, protocol: str = "TCP") -> ServicePort | None:
    """Give the first port of a Service, of a protocol, whose number, target port or name is ``port``, or any."""
    for item in (service.spec.ports if service.spec else None) or ():
        known = {str(item.port), str(item.target_port), item.name, ANY_PORT}
        if (item.protocol or "TCP") == protocol and port in known:
            return item
    return None


class _Resolution:
    def __init__(
        self, view: View, namespace: str, service: str, port: str, options: Options, transport: str
    ) -> None:
        self._view = view
        self._transport = transport
        self._namespace, self._service, self._port = namespace, service, port
        self._options = options
        self._found: set[tuple[str, int]] = set()
        self._draining: set[tuple[str, int]] = set()
        self._findings: list[Finding] = []
        self._protocol = ""

    def resolve(self, *, by_cluster_ip: bool) -> Resolved:
        service = self._view.service(self._namespace, self._service)
        if service is None:
            return Resolved(missing=("ServiceNotFound", "the name of a Service in the same namespace", ""))
        if service.spec is not None and service.spec.type == "ExternalName":
            return self._external(service)
        port = matching_port(service, self._port, self._transport)
        self._protocol = _protocol(port)
        if port is None:
            return Resolved(missing=("PortNotFound", self._ports_of(service), ""))
        cluster_ip = service.spec.cluster_ip if service.spec else None
        if by_cluster_ip and cluster_ip and cluster_ip != "None":
            self._add(cluster_ip, port.port, service, "spec.clusterIP")
        else:
            self._collect(port)
        return self._resolved()

    def _resolved(self, name: str = "") -> Resolved:
        draining = self._draining - self._found
        return Resolved(
            _sorted(self._found),
            _sorted(draining),
            findings=tuple(self._findings[:_REFUSALS_SHOWN]),
            name=name,
            protocol=self._protocol,
        )

    @staticmethod
    def _ports_of(service: Service) -> str:
        ports = (service.spec.ports if service.spec else None) or ()
        known = [f"{item.port} ({item.name})" if item.name else str(item.port) for item in ports]
        return f"a port of the Service: {', '.join(known) or 'it has none'}"

    # --- endpoints ----------------------------------------------------------------------------------------------------

    def _collect(self, port: ServicePort) -> None:
        slices = self._view.slices(self._namespace, self._service)
        for item in slices:
            self._collect_slice(item, port)
        if slices:
            return
        old = self._view.endpoints(self._namespace, self._service)
        if old is not None:
            self._collect_old(old, port)

    def _collect_slice(self, item: EndpointSlice, port: ServicePort) -> None:
        numbers = _numbers(item.ports or (), port)
        for at, endpoint in enumerate(item.endpoints or ()):
            found = self._set_for(endpoint.conditions)
            if found is None:
                continue
            for address in endpoint.addresses or ():
                for number in numbers:
                    self._add(address, number, item, f"endpoints[{at}].addresses", found)

    def _set_for(self, conditions: EndpointConditions | None) -> set[tuple[str, int]] | None:
        """Say where an endpoint belongs: ready ones take requests, ready if nobody knows (reference g.13)."""
        if conditions is None or conditions.ready is not False:
            return self._found
        return self._draining if conditions.serving and conditions.terminating else None

    def _collect_old(self, item: Endpoints, port: ServicePort) -> None:
        for at, subset in enumerate(item.subsets or ()):
            for number in _numbers(subset.ports or (), port):
                for address in subset.addresses or ():
                    self._add(address.ip, number, item, f"subsets[{at}].addresses")

    def _add(
        self, address: str, port: int, owner: Object, field: str, found: set[tuple[str, int]] | None = None
    ) -> None:
        fault = self._fault(address, port)
        if not fault:
            (self._found if found is None else found).add((address, port))
        elif len(self._findings) < _REFUSALS_SHOWN:
            faults = Faults(owner.ref)
            faults.add(Effect.IGNORED, "AddressRefused", field, address, "the IP address of a backend", fault)
            self._findings += faults.found

    def _fault(self, address: str, port: int) -> str:
        try:
            kind = addresses.unreachable(address)
        except Unacceptable:
            return "It is no IP address."
        if not 1 <= port <= 65535:
            return f"Port {port} is not from 1 to 65535."
        if not kind:
            return ""
        if kind in {"multicast", "unspecified"} or not self._options.allow_loopback_endpoints:
            return f"It is a {kind} address, which leads to the gateway itself or its neighbors."
        if port == self._options.node.status_port:
            return "It is the gateway's own status port."
        return ""

    # --- ExternalName -------------------------------------------------------------------------------------------------

    def _external(self, service: Service) -> Resolved:
        written = (service.spec.external_name if service.spec else None) or ""
        faults = Faults(service.ref)
        number = self._external_port(service)
        if number is None:
            return Resolved(missing=("PortNotFound", self._ports_of(service), ""))
        if fault := self._external_fault(written):
            faults.add(
                Effect.IGNORED, "ExternalNameRefused", "spec.externalName", written, "a DNS name", fault
            )
            return Resolved(findings=faults.all())
        name = names.dns_name(written)
        for address in self._view.addresses(name) or ():
            self._add(address, number, service, "spec.externalName")
        return self._resolved(name)

    def _external_fault(self, written: str) -> str:
        if self._options.disable_svc_external_name:
            return "Forbidden by --disable-svc-external-name."
        try:
            name = names.dns_name(written)
        except Unacceptable as refusal:
            return f"It is not {refusal}."
        is_local = name in LOCALHOST or name.endswith(".localhost")
        return (
            "It names the gateway itself." if is_local and not self._options.allow_loopback_endpoints else ""
        )

    def _external_port(self, service: Service) -> int | None:
        """Give the port: declared by the Service, or the number that the Ingress names."""
        port = matching_port(service, self._port, self._transport)
        self._protocol = _protocol(port)
        if port is not None:
            return port.target_port if isinstance(port.target_port, int) else port.port
        return int(self._port) if self._port.isdigit() else None


def _protocol(port: ServicePort | None) -> str:
    written = (port.app_protocol if port else None) or ""
    return protocols.APP_PROTOCOLS.get(written.strip().lower(), "")


def _sorted(found: set[tuple[str, int]]) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(address, port) for address, port in sorted(found))


def _numbers(ports: tuple[SlicePort, ...], port: ServicePort) -> tuple[int, ...]:
    """Give the numbers of a slice's ports that stand for a Service's port.

    An unnamed Service port takes every port of its protocol. If no name fits, the Service's target port counts, where
    it is a number (upstream #7390).
    """
    return tuple(_matching_numbers(ports, port)) or (
        (port.target_port,) if ports and port.name and isinstance(port.target_port, int) else ()
    )


def _matching_numbers(ports: tuple[SlicePort, ...], port: ServicePort) -> Iterator[int]:
    for item in ports:
        if (
            (item.protocol or "TCP") == (port.protocol or "TCP")
            and item.port is not None
            and (not port.name or item.name == port.name)
        ):
            yield item.port
