"""TLS protocols and cipher lists: the two texts about TLS that nginx's configuration takes."""

from __future__ import annotations

import base64
import re
import ssl
from typing import Final

from tidegate.guard._refusal import Unacceptable

PROTOCOLS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
"""Oldest first. SSL 2 and 3 are broken and not on offer."""

_CIPHER: Final = re.compile(r"[!+-]?[A-Za-z0-9][A-Za-z0-9_+-]*|@STRENGTH|@SECLEVEL=[0-5]", re.ASCII)


def protocols(text: str) -> tuple[str, ...]:
    """Read a space-separated list of protocols; give them oldest first, each once."""
    asked = set(text.split())
    if not asked or not asked <= set(PROTOCOLS):
        raise Unacceptable(f"a space-separated list of {', '.join(PROTOCOLS)}")
    return tuple(protocol for protocol in PROTOCOLS if protocol in asked)


_CURVE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_TICKET_KEY_BYTES: Final = (48, 80)


def curves(text: str) -> str:
    """Read ``auto``, or names of curves (groups) joined by colons."""
    stripped = text.strip()
    if len(stripped) > 1024 or not all(_CURVE.fullmatch(item) for item in stripped.split(":")):
        raise Unacceptable("auto, or names of curves, for example X25519:prime256v1")
    return stripped


def ticket_key(text: str) -> str:
    """Read a key for session tickets: base64 of 48 or 80 bytes. Gives each byte as one character."""
    try:
        key = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        key = b""
    if len(key) not in _TICKET_KEY_BYTES:
        raise Unacceptable("base64 of 48 or 80 random bytes")
    return key.decode("latin-1")


def ciphers(text: str) -> str:
    """Read an OpenSSL cipher list: names joined by colons, with ``! + -`` before and ``@STRENGTH``, ``@SECLEVEL=n``."""
    stripped = text.strip()
    if len(stripped) > 4096 or not all(_CIPHER.fullmatch(item) for item in stripped.split(":")):
        raise Unacceptable("an OpenSSL cipher list, for example ECDHE-RSA-AES128-GCM-SHA256:!aNULL")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(stripped)
    except ssl.SSLError:
        raise Unacceptable("an OpenSSL cipher list that leaves a cipher to use") from None
    return stripped
