"""TLS towards backends: what a profile says of it, and the files that nginx reads authorities from.

Certificate, key and name are data: variables that the Lua side fills from the entries in force, so that a new certificate
costs no reload. Authorities are files, which nginx reads with its configuration; they are named by their content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from tidegate.model import Profile

FOLDER: Final = "files"
"""In the state folder."""

PROTOCOLS: Final = frozenset({"https", "grpcs"})
"""Protocols of upstream blocks over TLS."""


def identity_of(profile: Profile) -> str:
    """Give the identity for which a profile's connections are kept; empty for the one that everybody has."""
    return str(dict(profile.values).get("ssl_identity", ""))


def files(profiles: Iterable[Profile]) -> dict[str, str]:
    """Give the files that profiles read, by name."""
    found = (str(dict(profile.values).get("ssl_authorities", "")) for profile in profiles)
    return {_name(text): text for text in found if text}


def _name(text: str) -> str:
    return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.pem"


def http_lines() -> Iterator[str]:
    """Give what holds for every connection: no session of one identity is taken up by another."""
    for module in ("proxy", "grpc"):
        yield f"{module}_ssl_protocols TLSv1.2 TLSv1.3;"
        yield f"{module}_ssl_session_reuse off;"


def location_lines(profile: Profile, module: str) -> Iterator[str]:
    """Give the directives of a profile with an identity of its own."""
    values = dict(profile.values)
    if "ssl_identity" not in values:
        return
    yield f"{module}_ssl_certificate $tg_ssl_certificate;"
    yield f"{module}_ssl_certificate_key $tg_ssl_key;"
    yield f"{module}_ssl_name $tg_ssl_name;"
    if values.get("ssl_server_name"):
        yield f"{module}_ssl_server_name on;"
    for key in ("ssl_ciphers", "ssl_protocols"):
        if key in values:
            yield f"{module}_{key} {values[key]};"
    if authorities := values.get("ssl_authorities"):
        yield f"{module}_ssl_trusted_certificate ../../{FOLDER}/{_name(str(authorities))};"
        yield f"{module}_ssl_verify on;"
        yield f"{module}_ssl_verify_depth {int(values.get('ssl_verify_depth', 1))};"
