"""The workshop: what all units work with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tidegate.guard import Unacceptable, names
from tidegate.kube.objects import Ref
from tidegate.model import Cause
from tidegate.store import Readers, Store, View
from tidegate.translate._causes import joined
from tidegate.translate._options import Options
from tidegate.translate.interpret.policies import Policy
from tidegate.translate.merge.emission import Emission
from tidegate.translate.merge.ledger import Ledger
from tidegate.translate.merge.merger import Merger

BACKEND: Final = "backend"
TARGET: Final = "target"
CERTIFICATE: Final = "certificate"
TLS: Final = "tls"
HANDSHAKE: Final = "handshake"
CONFIGURATION: Final = "configuration"
SERVICES: Final = "services"
DEFAULT_BACKEND: Final = "default backend"
INGRESS: Final = "Ingress"

KINDS: Final = (
    BACKEND,
    TARGET,
    CERTIFICATE,
    TLS,
    HANDSHAKE,
    CONFIGURATION,
    SERVICES,
    DEFAULT_BACKEND,
    INGRESS,
)
"""Kinds of units, the most urgent first. A unit is named by a ``Ref`` of one of these kinds."""


@dataclass
class Workshop:
    """The store, what came of it, and the units that are due."""

    options: Options
    store: Store = field(default_factory=Store)
    readers: Readers[Ref] = field(default_factory=Readers)
    emission: Emission = field(default_factory=Emission)
    ledger: Ledger = field(default_factory=Ledger)
    policy: Policy = field(default_factory=Policy)
    due: dict[str, dict[Ref, Cause]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    merger: Merger = field(init=False)

    def __post_init__(self) -> None:
        self.merger = Merger(self.emission, self.ledger)

    def view(self) -> View:
        """Give a fresh view of the store."""
        return View(self.store)

    def wake(self, unit: Ref, cause: Cause) -> None:
        """Say that a unit has to be done anew."""
        units = self.due[unit.kind]
        units[unit] = joined(units.get(unit), cause)

    def wake_readers(self, facts: Iterable[Ref], cause: Cause) -> None:
        """Wake every unit that looked at one of these facts."""
        for fact in facts:
            for reader in self.readers.of(fact):
                self.wake(reader, cause)


def qualified(text: str, kind: str) -> Ref | None:
    """Read the ``namespace/name`` of a flag; None if it is not given."""
    try:
        return Ref(kind, *names.qualified(text))
    except Unacceptable:
        return None
