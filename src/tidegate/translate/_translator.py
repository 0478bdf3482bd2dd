"""The translator: from facts about objects to the entries of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from zlib import crc32

from tidegate.kube.objects import Ingress, Ref, Resource, Service
from tidegate.model import (
    LISTENER, Backend, Cause, Endpoint, Entry, Host, NodeSettings, PathKind, Profile, Route, Rule, Settings, encode,
)
from tidegate.store import Store
from tidegate.translate._options import Options
from tidegate.translate._work import Work


class Translator:
    """Keeps the model of the objects it was told about. Pure: no I/O, no clock; one thread."""

    def __init__(self, options: Options, last_good: Mapping[Ref, Resource] = {}) -> None:
        self.entries: dict[str, bytes] = {}
        self.profiles: dict[str, Profile] = {}
        self.node: NodeSettings = options.node
        self.names: frozenset[str] = frozenset()
        self._options = options
        self._last_good = dict(last_good)
        self._store = Store()
        self._causes: list[Cause] = []
        self._first = True

    def apply(self, changes: Iterable[tuple[Ref, Resource | None]]) -> None:
        """Take new versions of objects (None: gone)."""
        for ref, resource in changes:
            action = "removed" if resource is None else "changed" if ref in self._store else "added"
            if self._store.put(ref, resource):
                self._causes.append(Cause(str(ref), (), action))

    def apply_resolved(self, name: str, addresses: tuple[str, ...] | None) -> None:
        """Take DNS's answer for a name."""
        self._store.put_addresses(name, addresses)

    @property
    def pending(self) -> int:
        """Give the number of units of work that are left."""
        return len(self._causes) + self._first

    def step(self, budget: Callable[[], bool] = lambda: True) -> Work:
        """Do the work that is due, as long as ``budget()`` says so."""
        if not self.pending:
            return Work()
        wanted = {key: encode(entry) for key, entry in self._entries().items()}
        changes: dict[str, bytes | None] = {k: None for k in self.entries if k not in wanted}
        changes |= {k: v for k, v in wanted.items() if self.entries.get(k) != v}
        cause = self._causes[-1] if self._causes else Cause("the flags", (), "added")
        self._causes.clear()
        self.entries = wanted
        first, self._first = self._first, False
        return Work(changes, dict.fromkeys(changes, cause), node=self.node if first else None)

    def _entries(self) -> dict[str, Entry]:
        entries: dict[str, Entry] = {"g": Settings({"ssl_redirect": True, "http_redirect_code": 308, "connect_timeout": 5,
            "send_timeout": 60, "read_timeout": 60, "tries": 3, "tries_timeout": 0, "force_ssl_redirect": False,
            "preserve_trailing_slash": False, "use_port_in_redirects": False,
            "no_tls_redirect_locations": ["/.well-known/acme-challenge"], "allow": []})}
        hosts: dict[str, list[Rule]] = {}
        for ref in self._store.refs("Ingress"):
            ingress = self._store.get(ref)
            assert isinstance(ingress, Ingress)
            for rule in (ingress.spec and ingress.spec.rules) or ():
                host = (rule.host or "_").lower()
                rules = hosts.setdefault(host, [])
                for path in (rule.http and rule.http.paths) or ():
                    if path.backend.service is None or path.backend.service.port is None:
                        continue
                    service, port = path.backend.service.name, path.backend.service.port
                    text = path.path or "/"
                    kind = PathKind.EXACT if path.path_type == "Exact" else PathKind.PREFIX
                    route = f"{ref.namespace}/{ref.name}/{crc32((host + kind + text).encode()):08x}"
                    name = str(port.number or port.name)
                    backend = f"{ref.namespace}/{service}/{name}"
                    rules.append(Rule(kind, text, route))
                    entries[f"r/{route}"] = Route(ref.namespace, ref.name, service, name, text, backend)
                    entries[f"b/{backend}"] = Backend(self._endpoints(ref.namespace, service, name))
        for host, rules in hosts.items():
            entries[f"h/{LISTENER}/{host}"] = Host(tuple(rules))
        return entries

    def _endpoints(self, namespace: str, name: str, port: str) -> tuple[Endpoint, ...]:
        service = self._store.get(Ref("Service", namespace, name))
        if not isinstance(service, Service) or service.spec is None:
            return ()
        for item in service.spec.ports or ():
            if port in {str(item.port), str(item.target_port), item.name}:
                return tuple(sorted({
                    Endpoint(address, p.port)
                    for s in self._store.slices(namespace, name)
                    for p in s.ports or () if p.port and (not item.name or p.name == item.name)
                    for e in s.endpoints or () if not e.conditions or e.conditions.ready is not False
                    for address in e.addresses or ()
                }, key=lambda e: (e.address, e.port)))
        return ()
