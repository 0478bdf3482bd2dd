"""Certificates that backends are shown: an entry for each Secret, as long as a route uses it."""

from __future__ import annotations

from typing import Final

from tidegate.model import Cause, Certificate
from tidegate.translate.merge.emission import Emission

_FOLDER: Final = "_backend"
"""Begins the ids of these certificates; no namespace can be called so."""


class Identities:
    """Counts who uses which certificate."""

    def __init__(self, emission: Emission) -> None:
        self._emission = emission
        self._users: dict[str, int] = {}
        self._used_by: dict[str, str] = {}

    def use(self, route: str, secret: str, certificate: Certificate | None, cause: Cause) -> str:
        """Say which Secret's certificate a route's backend is shown (None: none); give the certificate's id."""
        now = f"{_FOLDER}/{secret}" if certificate is not None else ""
        before = self._used_by.pop(route, "")
        if now:
            self._used_by[route] = now
        if now != before:
            self._count(before, -1, cause)
            self._count(now, 1, cause)
        if certificate is not None:
            self._emission.set(f"c/{now}", certificate, cause)
        return now

    def _count(self, name: str, change: int, cause: Cause) -> None:
        if not name:
            return
        users = self._users.get(name, 0) + change
        if users:
            self._users[name] = users
        else:
            del self._users[name]
            self._emission.delete(f"c/{name}", cause)
