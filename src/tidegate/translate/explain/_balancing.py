"""Which endpoints of a backend may get a request, and by what they are chosen: algorithm and session."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate import model
from tidegate.translate.explain._values import Request


def algorithm_of(backend: model.Backend, values: Mapping[str, Any]) -> str:
    """Give the algorithm in effect; ``values`` are the global settings."""
    if backend.affinity is not None:
        return f"sticky_{backend.affinity.mode}"
    return backend.algorithm or str(values.get("load_balance") or "round_robin")


class Target(msgspec.Struct, frozen=True):
    """A backend for one request, with the affinity that decides on its sessions there."""

    name: str
    backend: model.Backend
    affinity: model.Affinity | None = None

    def is_session_here(self, request: Request) -> bool:
        """Say whether the request's session was begun at this backend."""
        _, issuer = _session(self.affinity, request)
        return bool(issuer) and issuer == _md5(self.name)

    def endpoints(self, request: Request) -> tuple[model.Endpoint, ...]:
        """Give the endpoints that may get the request; one, if its session names it."""
        backend, affinity = self.backend, self.affinity
        key, _ = _session(affinity, request)
        if affinity is None or not key:
            return backend.endpoints
        if not backend.endpoints and not self.is_session_here(request):
            return ()
        everyone = (*backend.endpoints, *backend.draining)
        if affinity.mode == "persistent":
            named = tuple(e for e in everyone if _md5(f"{self.name}/{_address(e)}") == key)
            return named or backend.endpoints
        return everyone

    def algorithm(self, values: Mapping[str, Any]) -> str:
        """Give the algorithm in effect: at a canary, its primary's sessions go before its own."""
        return algorithm_of(msgspec.structs.replace(self.backend, affinity=self.affinity), values)

    def said(self, request: Request, values: Mapping[str, Any]) -> str:
        """Say in words how one endpoint is chosen."""
        backend, affinity = self.backend, self.affinity
        if affinity is not None:
            key, _ = _session(affinity, request)
            what = f"session of cookie {affinity.name}" if key else f"a new session, cookie {affinity.name}"
            return f"{self.algorithm(values)}: {what}"
        if backend.hash_by is not None:
            parts = backend.hash_by.key
            text = "".join(f"${part}" if at % 2 else part for at, part in enumerate(parts))
            subset = f", one of {backend.hash_by.subset}" if backend.hash_by.subset else ""
            return f"hash of {text}{subset}"
        return self.algorithm(values)


def cookies(headers: Mapping[str, str]) -> dict[str, str]:
    """Give the cookies of a request; of two with the same name, the first."""
    pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
    found: dict[str, str] = {}
    for name, equals, value in pairs:
        if equals:
            found.setdefault(name, value)
    return found


def _session(affinity: model.Affinity | None, request: Request) -> tuple[str, str]:
    """Give the two halves of the session cookie: the session's key, and the backend that issued it."""
    if affinity is None:
        return "", ""
    # nginx knows cookies by name whatever the case.
    present = {name.lower(): value for name, value in reversed(cookies(request.headers).items())}
    key, _, issuer = present.get(affinity.name.lower(), "").partition("|")
    return key, issuer


def _address(endpoint: model.Endpoint) -> str:
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return f"{host}:{endpoint.port}"


def _md5(text: str) -> str:
    # As the gateway writes it into cookies; it protects nothing.
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
