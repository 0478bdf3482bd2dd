"""Restarts: what the entries of an earlier run hold that objects can be brought back from.

Ingresses, Services and the like stand among the entries as they were (``o/``); Secrets are in the certificates in use, and
endpoints in the backends: nothing is kept twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from tidegate.kube.objects import (
    KINDS,
    EndpointConditions,
    EndpointSlice,
    Metadata,
    Ref,
    Resource,
    Secret,
    Service,
    ServicePort,
    SliceEndpoint,
    SlicePort,
)
from tidegate.model import Backend, Certificate, decode
from tidegate.store import SERVICE_LABEL
from tidegate.translate.interpret.endpoints import matching_port

KEPT_KINDS: Final = frozenset({"Service", "ConfigMap", "IngressClass", "Namespace"})
"""Kinds of which every object is kept as it is; of Ingresses the version in force is."""

_ENDING: Final = EndpointConditions(ready=False, serving=True, terminating=True)


def kept_as(ref: Ref) -> str:
    """Give the key of the entry that holds an object for the next start."""
    return f"o/{ref.kind}/{ref.namespace}/{ref.name}"


def written_down(obj: Resource) -> msgspec.Raw | None:
    """Give what stands in that entry; None for an object with a name that Kubernetes would not take."""
    if not (kept_as(obj.ref).isascii() and kept_as(obj.ref).isprintable()):
        return None
    try:
        return msgspec.Raw(msgspec.json.encode(obj))
    except UnicodeEncodeError:
        return None


def last_good_of(entries: Mapping[str, bytes]) -> dict[Ref, Resource]:
    """Give the last good versions of objects.

    The Secret of the default certificate comes without namespace; endpoints come as EndpointSlices with made-up names.
    An entry that cannot be read is left out: there is nothing better than to go on without it.
    """
    found = {obj.ref: obj for key, value in entries.items() for obj in _objects(key, value)}
    for key, value in entries.items():
        if key.startswith("b/"):
            found |= {obj.ref: obj for obj in _slices(key, value, found)}
    return found


def _objects(key: str, value: bytes) -> Iterator[Resource]:
    kind, _, name = key.partition("/")
    try:
        if kind == "o":
            yield msgspec.json.decode(value, type=KINDS[name.partition("/")[0]])
        elif kind == "c":
            certificate = decode(key, value)
            if isinstance(certificate, Certificate):
                yield _secret(name, certificate)
    except (KeyError, msgspec.MsgspecError):
        return


def _secret(name: str, certificate: Certificate) -> Secret:
    namespace, _, secret = name.rpartition("/")
    data = {"tls.crt": certificate.chain.encode(), "tls.key": certificate.key.encode()}
    return Secret(Metadata(secret, namespace=namespace), data=data)


def _slices(key: str, value: bytes, objects: Mapping[Ref, Resource]) -> Iterator[EndpointSlice]:
    """Give slices that lead to the endpoints of a backend, one for each port number of theirs."""
    try:
        backend = decode(key, value)
        _, namespace, name, port = key.split("/", 3)
    except (ValueError, msgspec.MsgspecError):
        return
    service = objects.get(Ref("Service", namespace, name))
    declared = matching_port(service, port) if isinstance(service, Service) else None
    if declared is None or not isinstance(backend, Backend):
        return
    for number in sorted({endpoint.port for endpoint in (*backend.endpoints, *backend.draining)}):
        metadata = Metadata(f"{name}/{port}/{number}", namespace=namespace, labels={SERVICE_LABEL: name})
        yield _slice(metadata, declared, number, backend)


def _slice(metadata: Metadata, declared: ServicePort, number: int, backend: Backend) -> EndpointSlice:
    ready = [SliceEndpoint((e.address,)) for e in backend.endpoints if e.port == number]
    ending = [SliceEndpoint((e.address,), _ENDING) for e in backend.draining if e.port == number]
    ports = (SlicePort(declared.name, number),)
    return EndpointSlice(metadata, endpoints=(*ready, *ending), ports=ports)
