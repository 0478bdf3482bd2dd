"""Views: the store as one reader sees it, remembering what it looked at."""

from __future__ import annotations

from tidegate.kube.objects import (
    ConfigMap,
    Endpoints,
    EndpointSlice,
    IngressClass,
    Namespace,
    Ref,
    Secret,
    Service,
)
from tidegate.store._facts import answer_for, every, slices_of
from tidegate.store._store import Store


class View:
    """Answers from a store, each noted down. What is absent is noted too: it may come."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.seen: set[Ref] = set()

    def service(self, namespace: str, name: str) -> Service | None:
        """Give a Service, or None."""
        found = self._look(Ref("Service", namespace, name))
        return found if isinstance(found, Service) else None

    def endpoints(self, namespace: str, name: str) -> Endpoints | None:
        """Give the (old-style) Endpoints of a Service, or None."""
        found = self._look(Ref("Endpoints", namespace, name))
        return found if isinstance(found, Endpoints) else None

    def slices(self, namespace: str, service: str) -> tuple[EndpointSlice, ...]:
        """Give the EndpointSlices of a Service, sorted by name."""
        self.seen.add(slices_of(namespace, service))
        return self._store.slices(namespace, service)

    def secret(self, namespace: str, name: str) -> Secret | None:
        """Give a Secret, or None."""
        found = self._look(Ref("Secret", namespace, name))
        return found if isinstance(found, Secret) else None

    def configmap(self, namespace: str, name: str) -> ConfigMap | None:
        """Give a ConfigMap, or None."""
        found = self._look(Ref("ConfigMap", namespace, name))
        return found if isinstance(found, ConfigMap) else None

    def ingress_class(self, name: str) -> IngressClass | None:
        """Give an IngressClass, or None."""
        found = self._look(Ref("IngressClass", "", name))
        return found if isinstance(found, IngressClass) else None

    def namespace_labels(self, name: str) -> dict[str, str]:
        """Give the labels of a Namespace. One that is not there has only what the API server gives each: its name."""
        found = self._look(Ref("Namespace", "", name))
        labels = found.metadata.labels if isinstance(found, Namespace) else None
        return {"kubernetes.io/metadata.name": name, **(labels or {})}

    def has_any(self, kind: str) -> bool:
        """Say whether there is any object of a kind."""
        self.seen.add(every(kind))
        return next(self._store.refs(kind), None) is not None

    def addresses(self, name: str) -> tuple[str, ...] | None:
        """Give what DNS said about a name; None if it has said nothing yet."""
        self.seen.add(answer_for(name))
        return self._store.addresses(name)

    def _look(self, ref: Ref) -> object:
        self.seen.add(ref)
        return self._store.get(ref)
