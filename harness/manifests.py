"""Kubernetes objects in few words, as dictionaries; and YAML of them.

``ingress("shop", rule("shop.example", path("/", "web")))`` is what it reads like. Nothing is checked: tests
want to write wrong ones too.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from harness.certs import Pair

Manifest = dict[str, Any]

PREFIX = "nginx.ingress.kubernetes.io/"
"""Of annotation names; ``annotations`` below adds it to names without a slash."""


def path(
    at: str | None, service: str, port: int | str = 80, *, kind: str | None = "Prefix"
) -> dict[str, Any]:
    """Give one path of a rule."""
    return _some({"path": at, "pathType": kind, "backend": backend(service, port)})


def backend(service: str, port: int | str = 80) -> dict[str, Any]:
    """Give a reference to a port of a Service."""
    return {"service": {"name": service, "port": {"number" if isinstance(port, int) else "name": port}}}


def rule(host: str | None, *paths: Mapping[str, Any]) -> dict[str, Any]:
    """Give one rule of an Ingress; without paths, one that only names the host."""
    return _some({"host": host, "http": {"paths": list(paths)} if paths else None})


def ingress(
    name: str,
    *rules: Mapping[str, Any],
    namespace: str = "default",
    annotations: Mapping[str, object] | None = None,
    tls: Sequence[tuple[Sequence[str], str | None]] = (),
    default: tuple[str, int | str] | None = None,
    ingress_class: str | None = None,
    created: str | None = None,
) -> Manifest:
    """Give an Ingress; ``tls`` holds (hosts, Secret name) pairs, ``default`` a Service and its port."""
    named = {n if "/" in n else PREFIX + n: str(v) for n, v in (annotations or {}).items()}
    spec = _some(
        {
            "ingressClassName": ingress_class,
            "defaultBackend": backend(*default) if default else None,
            "rules": list(rules) or None,
            "tls": [_some({"hosts": list(hosts) or None, "secretName": secret}) for hosts, secret in tls]
            or None,
        }
    )
    meta = _some({"annotations": named or None, "creationTimestamp": created})
    return _object("networking.k8s.io/v1", "Ingress", name, namespace, meta, spec=spec)


def service(
    name: str,
    *ports: int | tuple[str, int] | tuple[str, int, int | str],
    namespace: str = "default",
    cluster_ip: str | None = None,
    external_name: str | None = None,
    app_protocol: str = "",
    protocol: str | None = None,
) -> Manifest:
    """Give a Service; a port is a number, or (name, number), or (name, number, target port)."""
    spec = _some(
        {
            "type": "ExternalName" if external_name else None,
            "externalName": external_name,
            "clusterIP": cluster_ip,
            "ports": [
                _some({**_port(p), "appProtocol": app_protocol or None, "protocol": protocol})
                for p in ports or (80,)
            ],
        }
    )
    return _object("v1", "Service", name, namespace, spec=spec)


def _port(port: int | tuple[Any, ...]) -> dict[str, Any]:
    if isinstance(port, int):
        return {"port": port}
    name, number, *target = port
    return _some({"name": name, "port": number, "targetPort": target[0] if target else None})


def endpoint_slice(
    service_name: str,
    port: int | Mapping[str, int],
    addresses: Iterable[str],
    *,
    name: str | None = None,
    namespace: str = "default",
    ready: Mapping[str, bool] | None = None,
    draining: Iterable[str] = (),
    protocol: str = "TCP",
) -> Manifest:
    """Give an EndpointSlice of a Service; ``port`` is one unnamed port, or a map of names to numbers.

    ``draining`` are those of the addresses that still serve and will end.
    """
    named: dict[str | None, int] = {None: port} if isinstance(port, int) else dict(port.items())
    conditions: dict[str, dict[str, bool]] = {a: {"ready": is_ready} for a, is_ready in (ready or {}).items()}
    conditions |= {a: {"ready": False, "serving": True, "terminating": True} for a in draining}
    endpoints = [_some({"addresses": [a], "conditions": conditions.get(a)}) for a in addresses]
    return _object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        name or service_name,
        namespace,
        {"labels": {"kubernetes.io/service-name": service_name}},
        addressType="IPv4",
        endpoints=endpoints,
        ports=[_some({"name": n, "port": p, "protocol": protocol}) for n, p in named.items()],
    )


def tls_secret(name: str, pair: Pair, *, namespace: str = "default") -> Manifest:
    """Give a Secret with a certificate and its key."""
    data = {"tls.crt": pair.chain, "tls.key": pair.key}
    coded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
    return _object("v1", "Secret", name, namespace, type="kubernetes.io/tls", data=coded)


def secret(
    name: str, data: Mapping[str, str], *, namespace: str = "default", kind: str = "Opaque"
) -> Manifest:
    """Give a Secret with these texts."""
    coded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
    return _object("v1", "Secret", name, namespace, type=kind, data=coded)


def config_map(
    data: Mapping[str, str], *, name: str = "ingress-nginx-controller", namespace: str = "ingress-nginx"
) -> Manifest:
    """Give a ConfigMap; by default the global one."""
    return _object("v1", "ConfigMap", name, namespace, data=dict(data))


def ingress_class(name: str, controller: str) -> Manifest:
    """Give an IngressClass."""
    return _object("networking.k8s.io/v1", "IngressClass", name, None, spec={"controller": controller})


def dump(objects: Iterable[Manifest]) -> str:
    """Give YAML, one document for each object."""
    return yaml.dump_all(list(objects), Dumper=_Dumper, sort_keys=False)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes out what is the same object twice: a reader should find no anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def _object(
    version: str,
    kind: str,
    name: str,
    namespace: str | None,
    more: Mapping[str, Any] | None = None,
    **fields: object,
) -> Manifest:
    meta = _some({"name": name, "namespace": namespace, **(more or {})})
    return {"apiVersion": version, "kind": kind, "metadata": meta, **fields}


def _some(fields: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in fields.items() if v is not None}
