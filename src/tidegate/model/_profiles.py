"""Profiles: the settings that nginx can only take from its configuration, as typed values.

Location profiles are shared by all routes with the same values. Server profiles belong to one host: what a TLS handshake
needs to know before anything else is known is chosen by the server name.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec


class Profile(msgspec.Struct, frozen=True, order=True):
    """One distinct set of configuration-only settings, as overrides of the global ones.

    ``values`` holds (profile key, value) pairs sorted by key; values are numbers, booleans, members of an enum, digests
    or PEM written anew, never text of a user. Two routes with the same values share the profile.
    """

    values: tuple[tuple[str, int | bool | str], ...] = ()

    @property
    def id(self) -> str:
        """Twelve hex digits made of the content; empty for the default profile, which overrides nothing."""
        if not self.values:
            return ""
        return hashlib.sha256(msgspec.json.encode(self.values)).hexdigest()[:12]


class Verify(StrEnum):
    """Whether clients of a host have to show a certificate (reference a.4, ``auth-tls-verify-client``)."""

    OFF = "off"
    ON = "on"
    OPTIONAL = "optional"
    OPTIONAL_NO_CA = "optional_no_ca"
    """Any certificate will do; what is wrong with it is told to the backend."""


class ServerProfile(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """What a handshake with one host needs: client authorities, and ciphers of its own."""

    host: str
    """Exact DNS name, or ``*.`` before one; it passed the guard."""
    namespace: str = ""
    """Whose Ingress asks for it: that namespace's share of reloads is used."""
    verify: Verify = Verify.OFF
    depth: int = 1
    authorities: str = ""
    """Name of the document with the PEM certificates of client authorities; empty where ``verify`` is off."""
    revoked: str = ""
    """Name of the document with PEM revocation lists; empty: none."""
    ciphers: str = ""
    """OpenSSL cipher list; empty: the node's."""
    prefer_server_ciphers: bool | None = None
    """None: as the node has it."""

    @property
    def id(self) -> str:
        """``s`` and twelve hex digits made of the content."""
        return "s" + hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]

    @property
    def policy(self) -> ServerProfile:
        """Give the same without the host: hosts with equal policies share a server block."""
        return msgspec.structs.replace(self, host="", namespace="")
