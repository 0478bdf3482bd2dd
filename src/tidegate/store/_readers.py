"""Readers: who looked at which fact, so that a change wakes exactly those whom it concerns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from tidegate.kube.objects import Ref

R = TypeVar("R")


class Readers(Generic[R]):
    """A two-way index of readers (of any one hashable type) and the facts they looked at."""

    def __init__(self) -> None:
        self._facts: dict[R, frozenset[Ref]] = {}
        self._readers: dict[Ref, R | set[R]] = {}

    def set(self, reader: R, seen: Iterable[Ref]) -> None:
        """Say what a reader looked at this time; what it looked at before no longer counts."""
        facts = frozenset(seen)
        before = self._facts.get(reader, frozenset())
        for fact in before - facts:
            self._leave(fact, reader)
        for fact in facts - before:
            self._join(fact, reader)
        if facts:
            self._facts[reader] = facts
        else:
            self._facts.pop(reader, None)

    def drop(self, reader: R) -> None:
        """Forget a reader."""
        self.set(reader, ())

    def facts_of(self, reader: R) -> frozenset[Ref]:
        """Give what a reader looked at."""
        return self._facts.get(reader, frozenset())

    def of(self, fact: Ref) -> tuple[R, ...]:
        """Give all that looked at a fact."""
        found = self._readers.get(fact)
        if found is None:
            return ()
        return tuple(found) if isinstance(found, set) else (found,)

    # Nearly every fact has one reader: no set is made for it.

    def _join(self, fact: Ref, reader: R) -> None:
        there = self._readers.get(fact)
        if there is None:
            self._readers[fact] = reader
        elif isinstance(there, set):
            there.add(reader)
        else:
            self._readers[fact] = {there, reader}

    def _leave(self, fact: Ref, reader: R) -> None:
        there = self._readers[fact]
        if not isinstance(there, set):
            del self._readers[fact]
            return
        there.discard(reader)
        if not there:
            del self._readers[fact]
