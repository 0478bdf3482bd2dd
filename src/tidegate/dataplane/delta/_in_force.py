"""What nginx has: a digest of each entry, who names whom, and the location profile of each route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from tidegate.dataplane.delta._references import Facts, References, facts_of


class InForce:
    """The entries in force, by digest: their bytes are with nginx and with whoever wants them."""

    def __init__(self) -> None:
        self._digests: dict[str, int] = {}
        self._references = References()
        self._profiles: dict[str, str] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._digests

    def __iter__(self) -> Iterator[str]:
        return iter(self._digests)

    def __len__(self) -> int:
        return len(self._digests)

    def holds(self, key: str, value: bytes | None) -> bool:
        """Tell whether an entry is in force with this value (None: not at all)."""
        return self._digests.get(key) == (None if value is None else _digest(value))

    def profile_of(self, key: str) -> str:
        """Give the location profile that a route has in force; empty for the default one."""
        return self._profiles.get(key, "")

    def profiles(self) -> frozenset[str]:
        """Give the location profiles that routes have in force."""
        return frozenset(self._profiles.values())

    def names_of(self, key: str) -> int:
        """Give the number of entries in force that name a key."""
        return self._references[key]

    def names_after(self, changes: Iterable[tuple[str, Facts]]) -> dict[str, int]:
        """Give the difference that changes would make to the numbers of names."""
        return self._references.changed_by((key, facts.targets) for key, facts in changes)

    def set(self, key: str, value: bytes, facts: Facts | None = None) -> list[str]:
        """Take that an entry is in force; give the keys that nothing names any longer."""
        facts = facts or facts_of(key, value)
        self._digests[key] = _digest(value)
        if facts.profile:
            self._profiles[key] = facts.profile
        else:
            self._profiles.pop(key, None)
        return self._references.set(key, facts.targets)

    def doubt(self, key: str) -> None:
        """Take that an entry is not in force as it was wanted, so that the same value goes again."""
        self._digests[key] = -1

    def remove(self, key: str) -> list[str]:
        """Take that an entry is gone; give the keys that nothing names any longer."""
        self._digests.pop(key, None)
        self._profiles.pop(key, None)
        return self._references.set(key, ())


def _digest(value: bytes) -> int:
    # Eight bytes: two versions of one entry are taken for the same once in 10^11 years of a change a second.
    return int.from_bytes(blake2b(value, digest_size=8).digest(), "big")
