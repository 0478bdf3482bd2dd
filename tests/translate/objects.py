"""Short ways to write Kubernetes objects in tests, and to look at what a translator made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tidegate.findings import Finding
from tidegate.kube.objects import KINDS, Ref, Resource
from tidegate.model import Backend, Bucket, Entry, Host, Route, decode
from tidegate.translate import Options, Translator

PREFIX = "nginx.ingress.kubernetes.io/"
OWN_PREFIX = "tidegate.io/"
FOLDER = Options(folder=True, watch_without_class=True)

Fact = tuple[Ref, Resource | None]


def load(kind: str, name: str, namespace: str | None = "shop", /, **fields: Any) -> tuple[Ref, Resource]:
    """Make any object; ``labels`` and ``annotations`` go into its metadata."""
    metadata = {"name": name, "namespace": namespace}
    for key in ("labels", "annotations", "creationTimestamp"):
        if key in fields:
            metadata[key] = fields.pop(key)
    resource = msgspec.convert({"metadata": metadata, **fields}, KINDS[kind])
    return resource.ref, resource


def path(
    text: str | None = "/", service: str = "web", port: int | str | None = 80, kind: str | None = "Prefix"
) -> dict[str, Any]:
    """Make one path of a rule."""
    where = {"number": port} if isinstance(port, int) else {"name": port} if port else None
    made: dict[str, Any] = {"backend": {"service": {"name": service, "port": where}}}
    return made | ({"path": text} if text is not None else {}) | ({"pathType": kind} if kind else {})


def rule(host: str | None = "shop.example", *paths: dict[str, Any]) -> dict[str, Any]:
    """Make one rule."""
    made: dict[str, Any] = {"http": {"paths": list(paths)}} if paths else {}
    return made | ({"host": host} if host is not None else {})


def ingress(
    name: str = "web",
    *rules: dict[str, Any],
    namespace: str = "shop",
    annotations: Mapping[str, str] | None = None,
    created: str | None = None,
    **spec: Any,
) -> tuple[Ref, Resource]:
    """Make an Ingress; annotations without the prefix (but for our own), ``created`` as a year or a time."""
    metadata: dict[str, Any] = {
        "annotations": {
            key if key.startswith(OWN_PREFIX) else PREFIX + key: value
            for key, value in (annotations or {}).items()
        }
    }
    if created:
        metadata["creationTimestamp"] = f"{created}-01-01T00:00:00Z" if len(created) == 4 else created
    return load("Ingress", name, namespace, spec={"rules": list(rules), **spec}, **metadata)


def simple(
    name: str = "web", host: str = "shop.example", text: str = "/", service: str = "web", **more: Any
) -> tuple[Ref, Resource]:
    """Make an Ingress of one path."""
    kind = more.pop("kind", "Prefix")
    return ingress(name, rule(host, path(text, service, kind=kind)), **more)


def service(
    name: str = "web", *ports: dict[str, Any], namespace: str = "shop", **spec: Any
) -> tuple[Ref, Resource]:
    """Make a Service; without ports it has 80 for 8080."""
    return load(
        "Service", name, namespace, spec={"ports": list(ports) or [{"port": 80, "targetPort": 8080}], **spec}
    )


def endpoint_slice(
    service: str = "web",
    *addresses: str,
    name: str = "",
    port: int = 8080,
    port_name: str | None = None,
    namespace: str = "shop",
    **more: Any,
) -> tuple[Ref, Resource]:
    """Make an EndpointSlice of ready endpoints."""
    fields = {
        "endpoints": [{"addresses": [address]} for address in addresses],
        "ports": [{"name": port_name, "port": port}],
    }
    labels = {"kubernetes.io/service-name": service}
    return load("EndpointSlice", name or f"{service}-1", namespace, labels=labels, **(fields | more))


def backed(name: str = "web", *addresses: str) -> list[Fact]:
    """Make a Service with one slice."""
    return [service(name), endpoint_slice(name, *addresses or ("10.0.0.1",))]


def gone(fact: Fact) -> Fact:
    """Say that an object is gone."""
    return fact[0], None


class World:
    """A translator that was told some facts, with readable views of what it wants."""

    def __init__(
        self,
        *facts: Fact | list[Fact],
        options: Options = FOLDER,
        last_good: Mapping[Ref, Resource] | None = None,
    ) -> None:
        self.translator = Translator(options, last_good)
        self.findings: dict[Ref, tuple[Finding, ...]] = {}
        self.tell(*facts)

    def tell(self, *facts: Fact | list[Fact]) -> dict[str, bytes | None]:
        """Tell facts, do all the work, and give the entries that changed."""
        self.translator.apply(_flat(facts))
        return self.work()

    def work(self) -> dict[str, bytes | None]:
        """Do all the work that is due."""
        work = self.translator.step()
        self.findings |= work.findings
        return work.changes

    def entry(self, key: str) -> Entry | None:
        """Give an entry, or None."""
        found = self.translator.entries.get(key)
        return None if found is None else decode(key, found)

    def keys(self, start: str) -> list[str]:
        """Give all keys that start with a text."""
        return sorted(key for key in self.translator.entries if key.startswith(start))

    def host(self, name: str = "shop.example") -> Host:
        found = self.entry(f"h/main/{name}")
        assert isinstance(found, Host), f"no host {name}"
        return found

    def rules(self, name: str = "shop.example") -> dict[str, Route]:
        """Give the routes of a host by kind and path; those in buckets too."""
        host = self.host(name)
        rules = list(host.rules)
        for number in range(host.buckets):
            bucket = self.entry(f"m/main/{name}/{number}")
            rules += bucket.rules if isinstance(bucket, Bucket) else ()
        return {rule.kind + rule.path: self.route(rule.route) for rule in rules}

    def route(self, name: str) -> Route:
        found = self.entry(f"r/{name}")
        assert isinstance(found, Route), f"no route {name}"
        return found

    def fallback(self, name: str = "_") -> Route | None:
        """Give the route of what no rule of a host matches, if the host has one."""
        found = self.host(name).fallback
        return self.route(found) if found else None

    def backend(self, name: str = "shop/web/80") -> Backend:
        found = self.entry(f"b/{name}")
        assert isinstance(found, Backend), f"no backend {name}"
        return found

    def addresses(self, name: str = "shop/web/80") -> list[str]:
        """Give the endpoints of a backend as ``address:port``."""
        return [f"{endpoint.address}:{endpoint.port}" for endpoint in self.backend(name).endpoints]

    def kinds(self, ref: Ref | None = None) -> set[str]:
        """Give the types of all findings, or of those about one object."""
        chosen = self.findings.values() if ref is None else [self.findings.get(ref, ())]
        return {finding.type for findings in chosen for finding in findings}

    def finding(self, kind: str) -> Finding:
        """Give the one finding of a type."""
        (found,) = {
            finding for findings in self.findings.values() for finding in findings if finding.type == kind
        }
        return found


def _flat(facts: Iterable[Fact | list[Fact]]) -> list[Fact]:
    return [fact for item in facts for fact in (item if isinstance(item, list) else [item])]
