"""The store: typed copies of the objects that the source holds, with the few indexes that are asked for.

It takes facts as they come and says which facts changed. It judges nothing and forgets nothing on its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.kube.objects import EndpointSlice, Ref, Resource
from tidegate.store._facts import answer_for, service_of, touched_by


class Store:
    """Objects by name, slices by Service, addresses by name."""

    def __init__(self) -> None:
        self._objects: dict[Ref, Resource] = {}
        self._by_kind: dict[str, dict[Ref, None]] = {}
        self._slices: dict[tuple[str, str], dict[str, EndpointSlice]] = {}
        self._addresses: dict[str, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, ref: Ref) -> bool:
        return ref in self._objects

    def get(self, ref: Ref) -> Resource | None:
        """Give an object, or None."""
        return self._objects.get(ref)

    def refs(self, kind: str) -> Iterator[Ref]:
        """Give the names of all objects of a kind, in the order in which they came."""
        return iter(self._by_kind.get(kind, ()))

    def slices(self, namespace: str, service: str) -> tuple[EndpointSlice, ...]:
        """Give the slices of a Service, sorted by name."""
        found = self._slices.get((namespace, service), {})
        return tuple(found[name] for name in sorted(found))

    def addresses(self, name: str) -> tuple[str, ...] | None:
        """Give what DNS last said about a name; None if it has said nothing yet."""
        return self._addresses.get(name)

    def put(self, ref: Ref, resource: Resource | None) -> frozenset[Ref]:
        """Take a new version of an object (None: it is gone) and name the facts that changed by it."""
        before = self._objects.get(ref)
        if before == resource:
            return frozenset()
        changed: set[Ref] = set()
        if before is not None:
            changed.update(touched_by(ref, before))
            self._drop(ref, before)
        if resource is not None:
            changed.update(touched_by(ref, resource))
            self._add(ref, resource)
        return frozenset(changed)

    def put_addresses(self, name: str, addresses: tuple[str, ...] | None) -> frozenset[Ref]:
        """Take an answer of DNS (None: nobody wants it any longer) and name the facts that changed by it."""
        if self._addresses.get(name) == addresses:
            return frozenset()
        if addresses is None:
            del self._addresses[name]
        else:
            self._addresses[name] = addresses
        return frozenset((answer_for(name),))

    def _add(self, ref: Ref, resource: Resource) -> None:
        self._objects[ref] = resource
        self._by_kind.setdefault(ref.kind, {})[ref] = None
        if isinstance(resource, EndpointSlice):
            self._slices.setdefault((ref.namespace, service_of(resource)), {})[ref.name] = resource

    def _drop(self, ref: Ref, resource: Resource) -> None:
        del self._objects[ref]
        del self._by_kind[ref.kind][ref]
        if isinstance(resource, EndpointSlice):
            key = (ref.namespace, service_of(resource))
            del self._slices[key][ref.name]
            if not self._slices[key]:
                del self._slices[key]
