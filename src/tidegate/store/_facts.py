"""Facts: the names of what can be looked at in the store.

A fact is a ``Ref``: that of one object, or one of the made-up ones below for a group of objects or an outside answer.
A reader that depends on "the slices of this Service" depends on one name, whatever slices come and go.
"""

from __future__ import annotations

from tidegate.kube.objects import EndpointSlice, IngressClass, Ref, Resource

SERVICE_LABEL = "kubernetes.io/service-name"
"""The label of an EndpointSlice that names its Service."""


def slices_of(namespace: str, service: str) -> Ref:
    """Name the EndpointSlices of a Service."""
    return Ref("EndpointSlices", namespace, service)


def every(kind: str) -> Ref:
    """Name the set of all objects of a kind."""
    return Ref(kind, "", "*")


def answer_for(name: str) -> Ref:
    """Name the addresses that DNS gives for a name."""
    return Ref("Addresses", "", name)


def touched_by(ref: Ref, resource: Resource) -> tuple[Ref, ...]:
    """Name every fact that the coming or going of an object changes."""
    if isinstance(resource, EndpointSlice):
        return (slices_of(ref.namespace, service_of(resource)),)
    if isinstance(resource, IngressClass):
        return (ref, every(ref.kind))
    return (ref,)


def service_of(resource: EndpointSlice) -> str:
    """Give the name of the Service that a slice belongs to, or an empty text."""
    return (resource.metadata.labels or {}).get(SERVICE_LABEL, "")
