"""Emission: the entries as they are wanted now, and what differs from what was last handed out."""

from __future__ import annotations

import msgspec

from tidegate.model import Cause, Entry, encode


class Emission:
    """Takes entries one by one and keeps only true differences."""

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self._before: dict[str, bytes | None] = {}
        self._causes: dict[str, Cause] = {}

    def set(self, key: str, entry: Entry | msgspec.Raw, cause: Cause) -> None:
        """Want an entry as given."""
        value = bytes(entry) if isinstance(entry, msgspec.Raw) else encode(entry)
        old = self.entries.get(key)
        if old != value:
            self._before.setdefault(key, old)
            self._causes[key] = cause
            self.entries[key] = value

    def delete(self, key: str, cause: Cause) -> None:
        """Want no such entry."""
        old = self.entries.pop(key, None)
        if old is not None:
            self._before.setdefault(key, old)
            self._causes[key] = cause

    def take(self) -> tuple[dict[str, bytes | None], dict[str, Cause]]:
        """Hand out what differs from the last time, with the causes."""
        changes = {key: new for key, old in self._before.items() if (new := self.entries.get(key)) != old}
        causes = {key: self._causes[key] for key in changes}
        self._before, self._causes = {}, {}
        return changes, causes
