"""TLS protocols and cipher lists: the two texts about TLS that nginx's configuration takes."""

from __future__ import annotations

import re
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


def ciphers(text: str) -> str:
    """Read an OpenSSL cipher list: names joined by colons, with ``! + -`` before and ``@STRENGTH``, ``@SECLEVEL=n``."""
    stripped = text.strip()
    if len(stripped) > 4096 or not all(_CIPHER.fullmatch(item) for item in stripped.split(":")):
        raise Unacceptable("an OpenSSL cipher list, for example ECDHE-RSA-AES128-GCM-SHA256:!aNULL")
    return stripped
