"""The translator: facts about objects come in, the entries of the model go out.

Facts mark work, ``step`` does it: endpoints first, then certificates, then everything else. Work is proportional to what
changed: each unit of work (one backend, one Secret, one Ingress …) remembers what it looked at, and wakes when that changes.
Pure: no I/O, no clock, and the same objects give the same entries, whatever the order in which they came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tidegate.findings import Finding
from tidegate.kube.objects import Ingress, Ref, Resource
from tidegate.model import Cause, NodeSettings, Profile, ServerProfile
from tidegate.store import answer_for
from tidegate.translate._causes import FLAGS, cause_of
from tidegate.translate._options import Options
from tidegate.translate._places import places
from tidegate.translate._restarts import KEPT_KINDS, kept_as, written_down
from tidegate.translate._work import Work
from tidegate.translate.units import globals as single
from tidegate.translate.units import workshop
from tidegate.translate.units.backends import Backends
from tidegate.translate.units.handshakes import Handshakes
from tidegate.translate.units.ingresses import Ingresses
from tidegate.translate.units.streams import Streams
from tidegate.translate.units.tls import Certificates
from tidegate.translate.units.workshop import Workshop

BATCH: Final = 16
"""Ingress objects to interpret before what they touched is decided: a host that many share is written once for all."""

NOTES_AT_ONCE: Final = 2000
"""Findings to hand out while work is left. More of them wait for its end, or each step would sort them all again."""


class Translator:
    """Keeps the model of the objects it was told about. For one thread."""

    def __init__(self, options: Options, last_good: Mapping[Ref, Resource] | None = None) -> None:
        """Begin without objects. ``last_good``: versions to fall back on where the source's are refused."""
        shop = self._shop = Workshop(options)
        self._backends = Backends(shop)
        self._certificates = Certificates(shop, last_good or {})
        self._handshakes = Handshakes(shop)
        self._ingresses = Ingresses(shop, last_good or {})
        self._configuration = single.Configuration(shop)
        self._streams = Streams(shop)
        self._default_backend = single.DefaultBackend(shop)
        self._last_node: NodeSettings | None = None
        self._last_names: frozenset[str] = frozenset()
        shop.wake(single.CONFIGURATION_UNIT, FLAGS)
        shop.wake(single.DEFAULT_BACKEND_UNIT, FLAGS)
        for unit in self._streams.units():
            shop.wake(unit, FLAGS)
        if (default := self._certificates.default) is not None:
            shop.wake(Ref(workshop.CERTIFICATE, default.namespace, default.name), FLAGS)

    # --- what is wanted now -------------------------------------------------------------------------------------------

    @property
    def entries(self) -> Mapping[str, bytes]:
        """All entries, by key."""
        return self._shop.emission.entries

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """All location profiles that routes name, by id; the default one is not among them."""
        return self._shop.merger.routes.profiles

    @property
    def servers(self) -> Mapping[str, ServerProfile]:
        """All server profiles, by id."""
        return self._handshakes.profiles

    @property
    def documents(self) -> Mapping[str, str]:
        """All documents that node settings and server profiles name, with their text."""
        return {**self._configuration.documents, **self._handshakes.documents}

    @property
    def node(self) -> NodeSettings:
        """The node settings."""
        return self._streams.over(self._configuration.node)

    @property
    def names(self) -> frozenset[str]:
        """DNS names whose addresses are wanted (``apply_resolved``)."""
        return self._backends.wanted_names | self._streams.wanted_names

    @property
    def pending(self) -> int:
        """The number of units of work that are left."""
        return sum(len(units) for units in self._shop.due.values())

    # --- facts --------------------------------------------------------------------------------------------------------

    def apply(self, changes: Iterable[tuple[Ref, Resource | None]]) -> None:
        """Take new versions of objects (None: it is gone)."""
        shop = self._shop
        for ref, resource in changes:
            before = shop.store.get(ref)
            facts = shop.store.put(ref, resource)
            if not facts:
                continue
            cause = cause_of(ref, before, resource)
            self._keep(ref, resource, cause)
            shop.wake_readers(facts, cause)
            if isinstance(resource or before, Ingress):
                shop.wake(ref, cause)

    def _keep(self, ref: Ref, resource: Resource | None, cause: Cause) -> None:
        """Write an object down for the next start, should its file be broken then."""
        if ref.kind not in KEPT_KINDS:
            return
        written = written_down(resource) if resource is not None else None
        if written is None:
            self._shop.emission.delete(kept_as(ref), cause)
        else:
            self._shop.emission.set(kept_as(ref), written, cause)

    def hasten(self, changes: Iterable[tuple[Ref, Resource | None]]) -> Work:
        """Take new versions of EndpointSlices and Endpoints, and build at once the backends that they concern.

        For endpoint news that come while a larger batch of facts is only half taken, when ``step`` has to wait: nothing
        but these backends is looked at.
        """
        for ref, resource in changes:
            cause = cause_of(ref, self._shop.store.get(ref), resource)
            for fact in self._shop.store.put(ref, resource):
                for unit in list(self._shop.readers.of(fact)):
                    if unit.kind == workshop.BACKEND:
                        self._backends.build(unit.name, cause)
                    elif unit.kind == workshop.TARGET:
                        self._streams.build(unit.name, cause)
        return self._work()

    def apply_resolved(self, name: str, addresses: tuple[str, ...] | None) -> None:
        """Take DNS's answer for a name: its addresses (none at all: it has none), or None to forget the answer."""
        if self._shop.store.put_addresses(name, addresses):
            self._shop.wake_readers((answer_for(name),), Cause(f"DNS {name}", (), "changed"))

    def tell_time(self, now: float) -> None:
        """Take the present time (Unix seconds), which decides about certificates that are out of their time."""
        self._certificates.tell_time(now)

    # --- work ---------------------------------------------------------------------------------------------------------

    def step(self, budget: Callable[[], bool] = lambda: True) -> Work:
        """Do work that is due, as long as ``budget()`` says that there is time; at least one unit of it.

        What is handed out is consistent in itself (see ``Work``), however little of the work was done.
        """
        count = 0
        while self.pending and (not count or budget()):
            unit, cause = self._next()
            self._do(unit, cause)
            count += 1
            if unit.kind == workshop.INGRESS and count % BATCH == 0:
                self._settle()
        self._settle()
        return self._work()

    def _next(self) -> tuple[Ref, Cause]:
        units = next(units for units in self._shop.due.values() if units)
        unit = next(iter(units))
        return unit, units.pop(unit)

    def _do(self, unit: Ref, cause: Cause) -> None:
        match unit.kind:
            case workshop.BACKEND:
                self._backends.build(unit.name, cause)
            case workshop.TARGET:
                self._streams.build(unit.name, cause)
            case workshop.SERVICES:
                self._streams.read(unit.name, cause)
            case workshop.CERTIFICATE:
                self._certificates.read(Ref("Secret", unit.namespace, unit.name), cause)
            case workshop.TLS:
                self._certificates.choose(unit.name, cause)
            case workshop.HANDSHAKE:
                self._handshakes.choose(unit.name, cause)
            case workshop.CONFIGURATION:
                self._configuration.read(cause)
            case workshop.DEFAULT_BACKEND:
                self._default_backend.claim(cause)
            case _:
                self._ingresses.interpret(unit, cause)

    def _settle(self) -> None:
        """Decide what contributions touched, with all backends and certificates that belong to it."""
        merger = self._shop.merger
        merger.settle()
        self._build_touched()
        if not merger.is_settled:
            # Services said of backends named for the first time which protocol they speak.
            merger.settle()
            self._build_touched()

    def _build_touched(self) -> None:
        merger = self._shop.merger
        backends, merger.touched_backends = merger.touched_backends, {}
        for name, cause in backends.items():
            self._backends.build(name, cause)
        renamed, merger.renamed = merger.renamed, set()
        self._backends.note_renamed(renamed)
        hosts, merger.touched_tls = merger.touched_tls, {}
        for host, cause in hosts.items():
            self._certificates.choose(host, cause)
            self._handshakes.choose(host, cause)
        passed, merger.touched_passthrough = merger.touched_passthrough, {}
        for host, cause in passed.items():
            self._streams.build(f"sni/{host}", cause)

    def _work(self) -> Work:
        changes, causes = self._shop.emission.take()
        servers, node = self._different_servers(), self._different_node()
        return Work(
            changes=changes,
            causes=causes,
            findings=self._findings(),
            profiles=self._different_profiles(),
            servers=servers,
            documents=self.documents if servers is not None or node is not None else None,
            node=node,
            names=self._different_names(),
            done=not self.pending,
        )

    def _findings(self) -> dict[Ref, tuple[Finding, ...]]:
        shop = self._shop
        if self.pending and shop.ledger.cost > NOTES_AT_ONCE:
            return {}
        return shop.ledger.take(lambda ref, wanted: places(shop.merger.contributions.get(ref), wanted))

    def _different_profiles(self) -> dict[str, Profile] | None:
        routes = self._shop.merger.routes
        changed, routes.profiles_changed = routes.profiles_changed, False
        return dict(routes.profiles) if changed else None

    def _different_servers(self) -> Mapping[str, ServerProfile] | None:
        changed, self._handshakes.changed = self._handshakes.changed, False
        return self.servers if changed else None

    def _different_node(self) -> NodeSettings | None:
        before, self._last_node = self._last_node, self.node
        return self.node if self.node != before else None

    def _different_names(self) -> frozenset[str] | None:
        before, self._last_names = self._last_names, self.names
        return self._last_names if self._last_names != before else None
