"""Objects of an earlier run that still count, although the source cannot show them.

A file that is broken when the gateway starts may hold objects that were in force before. They stay, in the version
that was kept, until the source can say what became of them. Endpoints are kept by Service: they stay only as long as
the source knows of no endpoints of that Service. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tidegate.findings import Effect, Finding
from tidegate.kube.objects import Endpoints, EndpointSlice, Ref, Resource
from tidegate.sources import Batch
from tidegate.store import SERVICE_LABEL

Changes = list[tuple[Ref, Resource | None]]

_SLICES: Final = "EndpointSlice"


class Earlier:
    """The objects that are kept from an earlier run, for as long as the source cannot tell about them."""

    def __init__(self, kept: Mapping[Ref, Resource]) -> None:
        """Take all that was kept."""
        self._kept = dict(kept)
        self._standing: dict[Ref, Resource] = {}
        self._unread: set[str] = set()
        self._held: set[Ref] = set()

    def of(self, batch: Batch) -> Changes:
        """Give the objects that this batch leaves standing, and those that it no longer does (None)."""
        if batch.initial:
            return self._begin(batch)
        if not self._standing:
            return []
        self._unread -= batch.findings_by_file.keys() - batch.unread
        told = {change.ref for change in batch.changes}
        self._held -= told
        for ref in told:
            self._standing.pop(ref, None)
        gone = self._answered(batch)
        if not self._unread:
            gone |= {ref for ref in self._standing if not self._is_held(ref)}
        for ref in gone:
            del self._standing[ref]
        return [(ref, None) for ref in sorted(gone)]

    def findings(self) -> tuple[Finding, ...]:
        """Say what stands only because it was in force before."""
        if not self._standing:
            return ()
        first = next(iter(sorted(self._unread)), "")
        message = (
            "what an earlier run had in force stays so, until the files or objects that cannot be read tell"
            " what became of it"
        )
        value, accepted = f"{len(self._standing)} objects", "files and objects that can be read"
        return (Finding(Effect.WARNING, "KeptFromEarlier", "", "", value, accepted, message, first),)

    def _begin(self, batch: Batch) -> Changes:
        told = {change.ref for change in batch.changes}
        self._unread, self._held = set(batch.unread), set(batch.held)
        kept, self._kept = self._kept, {}
        self._standing = {
            ref: obj for ref, obj in kept.items() if ref not in told and (self._unread or self._is_held(ref))
        }
        for ref in self._answered(batch):
            del self._standing[ref]
        return [(ref, self._standing[ref]) for ref in sorted(self._standing)]

    def _is_held(self, ref: Ref) -> bool:
        """Tell whether the object is there, but unusable; of endpoints it is known only of which namespace they are."""
        if ref.kind != _SLICES:
            return ref in self._held
        return any(held.namespace == ref.namespace and held.kind == _SLICES for held in self._held)

    def _answered(self, batch: Batch) -> set[Ref]:
        """Give the kept endpoints of Services of which the source knows endpoints now."""
        services = {_service_of(change.obj) for change in batch.changes} - {None}
        return (
            {ref for ref, obj in self._standing.items() if _service_of(obj) in services}
            if services
            else set()
        )


def _service_of(obj: Resource | None) -> tuple[str, str] | None:
    if isinstance(obj, EndpointSlice):
        return (obj.ref.namespace, (obj.metadata.labels or {}).get(SERVICE_LABEL, ""))
    return (obj.ref.namespace, obj.ref.name) if isinstance(obj, Endpoints) else None
