"""TCP and UDP services: ConfigMaps whose keys are ports and whose values name a Service (reference, c and g.18).

A line that cannot be read, or whose port is not to be had, is left out with a finding; the others hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tidegate.findings import Effect, Finding
from tidegate.guard import Unacceptable, names, values
from tidegate.kube.objects import ConfigMap, Ref
from tidegate.model import NodeSettings, StreamPort
from tidegate.translate.interpret.faults import Faults

_RESERVED: Final = frozenset({80, 442, 443, 8181, 10245, 10246, 10247, 10254})
"""Ports that the predecessor keeps for itself; a manifest means the same here."""

_PORT: Final = values.integer(1, 65535)
_PROXY: Final = "PROXY"
_ACCEPTED: Final = {
    "tcp": "namespace/service:port, namespace/service:port:PROXY (clients send a PROXY header), or "
    "namespace/service:port:[PROXY]:PROXY (the backend gets one)",
    "udp": "namespace/service:port",
}


class StreamService(msgspec.Struct, frozen=True):
    """One line."""

    listener: StreamPort
    namespace: str
    service: str
    port: str
    """Number or name."""
    key: str
    """As written in the ConfigMap."""


class Services(msgspec.Struct, frozen=True):
    """What one ConfigMap asks for."""

    by_port: Mapping[int, StreamService]
    findings: tuple[Finding, ...] = ()


def interpret(ref: Ref, configmap: ConfigMap | None, protocol: str, node: NodeSettings) -> Services:
    """Read a ConfigMap of services (None: there is none)."""
    data = (configmap.data if configmap else None) or {}
    faults = Faults(ref)
    found: dict[int, StreamService] = {}
    # The plain spelling of a port goes before any other.
    for key in sorted(data, key=lambda key: (not _is_plain(key), key)):
        line = _line(key, data[key], protocol, node, faults)
        if line is None:
            continue
        if (first := found.get(line.listener.port)) is not None:
            faults.add(
                Effect.IGNORED, "PortConflict", f"data[{key}]", data[key], "each port once",
                f"It is port {line.listener.port} like key {first.key}, which holds.",
            )  # fmt: skip
            continue
        found[line.listener.port] = line
    return Services(found, faults.all())


def _is_plain(key: str) -> bool:
    return key.isascii() and key.isdigit() and not key.startswith("0")


def _line(key: str, text: str, protocol: str, node: NodeSettings, faults: Faults) -> StreamService | None:
    field = f"data[{key}]"
    try:
        number = int(_PORT.parse(key.strip()))
    except Unacceptable as refusal:
        faults.add(Effect.IGNORED, "InvalidPort", field, key, str(refusal), "The line is left out.")
        return None
    if number in _RESERVED | {node.http_port, node.https_port, node.status_port}:
        faults.add(
            Effect.IGNORED, "PortReserved", field, key, "a port that is none of the gateway's own",
            "The line is left out.",
        )  # fmt: skip
        return None
    try:
        return _service(key, number, text, protocol)
    except Unacceptable as refusal:
        faults.add(Effect.IGNORED, "InvalidService", field, text, str(refusal), "The line is left out.")
        return None


def _service(key: str, number: int, text: str, protocol: str) -> StreamService:
    accepted = _ACCEPTED[protocol]
    where, *rest = text.strip().split(":")
    if not rest or len(rest) > (3 if protocol == "tcp" else 1):
        raise Unacceptable(accepted)
    port, *switches = rest
    if any(switch.upper() not in {"", _PROXY} for switch in switches):
        raise Unacceptable(accepted)
    decode, encode = (switch.upper() == _PROXY for switch in (*switches, "", "")[:2])
    try:
        namespace, service = names.qualified(where)
        names.label(service)
        port = str(_PORT.parse(port)) if port.isdigit() else names.port_name(port)
    except Unacceptable:
        raise Unacceptable(accepted) from None
    return StreamService(
        StreamPort(protocol, number, decode=decode, encode=encode), namespace, service, port, key
    )
