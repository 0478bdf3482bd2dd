"""Kubernetes objects as typed structs holding only the fields that the gateway uses.

Unknown fields are skipped. An optional field may be absent or null, which mean the same, as for the API server. A field
of another type raises ``msgspec.ValidationError`` whose text names the path.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

import msgspec

Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
"""As the API server: a larger number is refused, so that none can grow past what any encoder takes."""


class Ref(NamedTuple):
    """The name of an object: kind, namespace (empty for objects without one), name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """Give ``Kind namespace/name``, or ``Kind name``."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class _Part(msgspec.Struct, rename="camel", frozen=True, gc=False, omit_defaults=True):
    """Part of an object."""


class Metadata(_Part, frozen=True):
    name: str
    namespace: str | None = None
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    creation_timestamp: str | None = None
    """RFC 3339 in UTC; absent counts as the oldest."""
    uid: str | None = None
    generation: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    resource_version: str | None = None


class Object(msgspec.Struct, rename="camel", frozen=True, gc=False, omit_defaults=True):
    """Any object: its metadata."""

    metadata: Metadata

    @property
    def ref(self) -> Ref:
        """Give the name of this object (kind is the name of the class)."""
        return Ref(type(self).__name__, self.metadata.namespace or "", self.metadata.name)


# --- Ingress ----------------------------------------------------------------------------------------------------------


class ServicePortRef(_Part, frozen=True):
    name: str | None = None
    number: Int32 | None = None


class ServiceBackend(_Part, frozen=True):
    name: str
    port: ServicePortRef | None = None


class TypedRef(_Part, frozen=True):
    kind: str
    name: str
    api_group: str | None = None


class IngressBackend(_Part, frozen=True):
    service: ServiceBackend | None = None
    resource: TypedRef | None = None


class HttpPath(_Part, frozen=True):
    backend: IngressBackend
    path: str | None = None
    path_type: str | None = None


class HttpRule(_Part, frozen=True):
    paths: tuple[HttpPath, ...] | None = None


class IngressRule(_Part, frozen=True):
    host: str | None = None
    http: HttpRule | None = None


class IngressTls(_Part, frozen=True):
    hosts: tuple[str, ...] | None = None
    secret_name: str | None = None


class IngressSpec(_Part, frozen=True):
    ingress_class_name: str | None = None
    default_backend: IngressBackend | None = None
    rules: tuple[IngressRule, ...] | None = None
    tls: tuple[IngressTls, ...] | None = None


class Ingress(Object, frozen=True):
    spec: IngressSpec | None = None


class IngressClassSpec(_Part, frozen=True):
    controller: str | None = None


class IngressClass(Object, frozen=True):
    spec: IngressClassSpec | None = None


# --- Service and endpoints --------------------------------------------------------------------------------------------


class ServicePort(_Part, frozen=True):
    port: Int32
    name: str | None = None
    protocol: str | None = None
    target_port: Int32 | str | None = None
    app_protocol: str | None = None


class ServiceSpec(_Part, frozen=True):
    type: str | None = None
    cluster_ip: str | None = msgspec.field(default=None, name="clusterIP")
    external_name: str | None = None
    ports: tuple[ServicePort, ...] | None = None
    traffic_distribution: str | None = None


class Service(Object, frozen=True):
    spec: ServiceSpec | None = None


class EndpointConditions(_Part, frozen=True):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ForZone(_Part, frozen=True):
    name: str


class EndpointHints(_Part, frozen=True):
    for_zones: tuple[ForZone, ...] | None = None


class SliceEndpoint(_Part, frozen=True):
    addresses: tuple[str, ...] | None = None
    conditions: EndpointConditions | None = None
    hints: EndpointHints | None = None


class SlicePort(_Part, frozen=True):
    name: str | None = None
    port: Int32 | None = None
    protocol: str | None = None


class EndpointSlice(Object, frozen=True):
    address_type: str | None = None
    endpoints: tuple[SliceEndpoint, ...] | None = None
    ports: tuple[SlicePort, ...] | None = None


class EndpointAddress(_Part, frozen=True):
    ip: str


class EndpointSubset(_Part, frozen=True):
    addresses: tuple[EndpointAddress, ...] | None = None
    not_ready_addresses: tuple[EndpointAddress, ...] | None = None
    ports: tuple[SlicePort, ...] | None = None


class Endpoints(Object, frozen=True):
    subsets: tuple[EndpointSubset, ...] | None = None


# --- Configuration ----------------------------------------------------------------------------------------------------


class Secret(Object, frozen=True):
    type: str | None = None
    data: dict[str, bytes] | None = None
    """Decoded from base64."""
    string_data: dict[str, str] | None = None

    def __repr__(self) -> str:
        """Say which Secret this is, never what is in it."""
        return f"Secret({self.metadata.namespace}/{self.metadata.name}, keys={sorted(self.data or ())})"


class ConfigMap(Object, frozen=True):
    data: dict[str, str] | None = None


class Namespace(Object, frozen=True):
    pass


Resource = Ingress | IngressClass | Service | EndpointSlice | Endpoints | Secret | ConfigMap | Namespace

KINDS: Final[dict[str, type[Resource]]] = {
    t.__name__: t
    for t in (Ingress, IngressClass, Service, EndpointSlice, Endpoints, Secret, ConfigMap, Namespace)
}
"""The kinds that the gateway reads, by name."""

API_VERSIONS: Final[dict[str, str]] = {
    "Ingress": "networking.k8s.io/v1",
    "IngressClass": "networking.k8s.io/v1",
    "Service": "v1",
    "EndpointSlice": "discovery.k8s.io/v1",
    "Endpoints": "v1",
    "Secret": "v1",
    "ConfigMap": "v1",
    "Namespace": "v1",
}
"""The one version of each kind that is read."""
