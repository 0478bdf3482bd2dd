"""The TLS identity towards backends: who we are for them, and whom we take them for (reference a.2, ``proxy-ssl-*``).

A connection is kept for the next request of the same identity only. A protection that cannot be given closes the routes
to backends over TLS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tidegate.findings import Effect
from tidegate.guard import Unacceptable
from tidegate.kube.objects import Ref, Secret
from tidegate.model import Certificate
from tidegate.store import View
from tidegate.translate.interpret import certificates
from tidegate.translate.interpret.faults import Faults

_NAMED: Final = "proxy-ssl-secret"
_CHECKED: Final = "Routes to backends over TLS answer 503."


class BackendTls(msgspec.Struct, frozen=True):
    """What an Ingress asks for, wherever its backends speak TLS."""

    secret: str = ""
    """``namespace/name`` of the Secret whose certificate is shown; empty: none is."""
    certificate: Certificate | None = None
    authorities: str = ""
    """PEM of those who may have signed the backend's certificate; empty: it is not checked."""
    depth: int = 1
    ciphers: str = ""
    protocols: str = ""
    tells_name: bool = False
    name: str = ""
    """Empty: that of the Service."""
    source: str = ""
    """``namespace/name`` of the Secret that was read."""
    held: str = ""
    """PEM of its authorities, also where nothing is checked."""
    fault: str = ""
    """If not empty: why routes to backends over TLS are closed."""

    def name_for(self, service: str, namespace: str) -> str:
        """Give the name that the backend is taken for; empty where nobody asks for it."""
        if not self.tells_name and not self.authorities:
            return ""
        return self.name or f"{service}.{namespace}.svc"

    def profile(self, name: str) -> dict[str, int | bool | str]:
        """Give the profile keys; none for the identity that everybody has. ``name`` is that of ``name_for``."""
        everything: dict[str, int | bool | str] = {
            "ssl_ciphers": self.ciphers,
            "ssl_protocols": self.protocols,
            "ssl_server_name": self.tells_name,
            "ssl_authorities": self.authorities,
        }
        found = {key: value for key, value in everything.items() if value}
        if self.authorities:
            found["ssl_verify_depth"] = self.depth
        if found or self.secret:
            found["ssl_identity"] = self._digest(found, name)
        return found

    def _digest(self, found: Mapping[str, Any], name: str) -> str:
        parts = (sorted(found.items()), self.secret, name)
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]


def read(
    ref: Ref,
    parts: Mapping[str, Any],
    view: View,
    faults: Faults,
    before: BackendTls | None,
    *,
    foreign: bool,
) -> BackendTls | None:
    """Put the annotations of an Ingress together; None if there are none of them.

    ``before`` is what its last version came to: a Secret that turned bad keeps what it held. ``foreign`` allows Secrets of
    other namespaces.
    """
    asked = {name: value for name, value in parts.items() if name.startswith("ssl_")}
    if not asked:
        return None
    return _Reading(ref, asked, view, faults, before).read(foreign=foreign)


class _Reading:
    def __init__(
        self, ref: Ref, asked: Mapping[str, Any], view: View, faults: Faults, before: BackendTls | None
    ) -> None:
        self._ref = ref
        self._asked = asked
        self._view = view
        self._faults = faults
        self._before = before
        self._fault = ""

    def read(self, *, foreign: bool) -> BackendTls:
        held = self._secret(foreign=foreign) if "ssl_secret" in self._asked else _Held()
        verify = bool(self._asked.get("ssl_verify", False))
        if verify and not held.authorities and not self._fault:
            self._deny("proxy-ssl-verify", "on", f"{_NAMED} with a Secret that holds ca.crt")
        return BackendTls(
            secret=held.secret,
            certificate=held.certificate,
            authorities=held.authorities if verify else "",
            # As upstream: none at all is one.
            depth=self._asked.get("ssl_verify_depth", 1) or 1,
            ciphers=self._asked.get("ssl_ciphers", ""),
            protocols=self._asked.get("ssl_protocols", ""),
            tells_name=bool(self._asked.get("ssl_server_name", False)),
            name=self._asked.get("ssl_name", ""),
            source=held.source,
            held=held.authorities,
            fault=self._fault,
        )

    def _secret(self, *, foreign: bool) -> _Held:
        namespace, name = self._asked["ssl_secret"]
        written = f"{namespace}/{name}"
        if namespace != self._ref.namespace and not foreign:
            self._deny(_NAMED, written, f"a Secret of namespace {self._ref.namespace}")
            return _Held()
        secret = self._view.secret(namespace, name)
        if secret is None:
            self._deny(_NAMED, written, "a Secret that exists")
            return _Held()
        try:
            return _held(written, secret)
        except Unacceptable as refusal:
            return self._kept(written, str(refusal))

    def _kept(self, written: str, accepted: str) -> _Held:
        """Give what a Secret held before it turned bad, if anything is known of that."""
        before = self._before
        if before is None or before.fault or before.source != written:
            self._deny(_NAMED, written, accepted)
            return _Held()
        self._add(Effect.IGNORED, _NAMED, written, accepted, "What the Secret held before stays in use.")
        return _Held(written, before.secret, before.certificate, before.held)

    def _deny(self, annotation: str, value: str, accepted: str) -> None:
        self._fault = f"annotation {annotation} asks for what cannot be given"
        self._add(Effect.DENIED, annotation, value, accepted, _CHECKED)

    def _add(self, effect: Effect, annotation: str, value: str, accepted: str, message: str) -> None:
        field = f"metadata.annotations[{annotation}]"
        self._faults.add(effect, "BackendTls", field, value, accepted, message)


class _Held(msgspec.Struct, frozen=True):
    """What a Secret holds."""

    source: str = ""
    secret: str = ""
    certificate: Certificate | None = None
    authorities: str = ""


def _held(written: str, secret: Secret) -> _Held:
    data = secret.data or {}
    text = secret.string_data or {}
    bundle = data.get("ca.crt") or text.get("ca.crt", "").encode()
    has_pair = any(data.get(key) or text.get(key) for key in ("tls.crt", "tls.key"))
    if not has_pair and not bundle:
        raise Unacceptable("a Secret with tls.crt and tls.key, or ca.crt, or both")
    certificate = certificates.read(secret).certificate if has_pair else None
    authorities = certificates.authorities(bundle) if bundle else ""
    return _Held(written, written if certificate else "", certificate, authorities)
