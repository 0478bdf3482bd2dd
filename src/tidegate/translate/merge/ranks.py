"""Ranks: who goes first among members that come and go."""

from __future__ import annotations

from tidegate.kube.objects import Ref
from tidegate.translate.interpret.contributions import Order


class Ranked:
    """Ingress objects with their order. The first is known without a search, unless the first itself has left."""

    __slots__ = ("_first", "members")

    def __init__(self) -> None:
        self.members: dict[Ref, Order] = {}
        self._first: Ref | None = None

    def __bool__(self) -> bool:
        return bool(self.members)

    @property
    def first(self) -> Ref | None:
        """Give the member that goes first, or None."""
        if self._first is None and self.members:
            self._first = min(self.members, key=self.members.__getitem__)
        return self._first

    def put(self, ref: Ref, order: Order) -> None:
        """Add a member, or change its order."""
        self.members[ref] = order
        first = self._first
        if first is not None and (ref == first or order < self.members[first]):
            # A first whose own order changed may have fallen behind.
            self._first = None if ref == first else ref

    def drop(self, ref: Ref) -> None:
        """Remove a member, if it is one."""
        self.members.pop(ref, None)
        if ref == self._first:
            self._first = None
