"""Names: of hosts, objects, ports and headers. Each comes back in the one spelling that the model uses."""

from __future__ import annotations

import re
from typing import Final

from tidegate.guard._refusal import Unacceptable

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_LABELS: Final = re.compile(_LABEL)
_DNS: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_DOTTED_NUMBERS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_PORT_NAME: Final = re.compile(r"(?=[a-z0-9-]{1,15}$)(?=.*[a-z])[a-z0-9](?:-?[a-z0-9])*")
_HEADER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_COOKIE: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}")

HOST_ACCEPTED: Final = "a DNS name such as shop.example.com, or *. before one"


def host(text: str) -> str:
    """Read the host of a rule: a DNS name (RFC 1123), or ``*.`` before one; empty is ``_``. Lower case.

    Not an IP address, no port, no final dot: as the API server has it.
    """
    if not text:
        return "_"
    lower = text.lower() if text.isascii() else ""
    name = lower.removeprefix("*.")
    if len(lower) > 253 or not _DNS.fullmatch(name) or _DOTTED_NUMBERS.fullmatch(name):
        raise Unacceptable(HOST_ACCEPTED)
    return lower


def dns_name(text: str) -> str:
    """Read a DNS name to look up (an ExternalName); a final dot is allowed and dropped. Lower case."""
    lower = text.lower().removesuffix(".") if text.isascii() else ""
    if len(lower) > 253 or not _DNS.fullmatch(lower) or _DOTTED_NUMBERS.fullmatch(lower):
        raise Unacceptable("a DNS name such as db.example.com")
    return lower


def subdomain(text: str) -> str:
    """Read the name of an object: a DNS subdomain in lower case."""
    if len(text) > 253 or not _DNS.fullmatch(text):
        raise Unacceptable("lower-case letters, digits, - and ., at most 253")
    return text


def label(text: str) -> str:
    """Read the name of a Namespace or Service: a DNS label in lower case."""
    if not _LABELS.fullmatch(text):
        raise Unacceptable("lower-case letters, digits and -, at most 63")
    return text


def port_name(text: str) -> str:
    """Read the name of a port (an IANA service name)."""
    if not _PORT_NAME.fullmatch(text):
        raise Unacceptable("at most 15 lower-case letters, digits and -, with at least one letter")
    return text


def header(text: str) -> str:
    """Read the name of a header: letters, digits, ``-`` and ``_``."""
    stripped = text.strip(" ")
    if not _HEADER.fullmatch(stripped):
        raise Unacceptable("a header name of letters, digits, - and _")
    return stripped


def cookie(text: str) -> str:
    """Read the name of a cookie."""
    stripped = text.strip(" ")
    if not _COOKIE.fullmatch(stripped):
        raise Unacceptable("a cookie name of letters, digits and . _ ~ -")
    return stripped


def qualified(text: str) -> tuple[str, str]:
    """Read ``namespace/name``."""
    namespace, slash, name = text.strip().partition("/")
    if not slash:
        raise Unacceptable("namespace/name")
    return label(namespace), subdomain(name)
