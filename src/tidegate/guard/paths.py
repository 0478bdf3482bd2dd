"""Paths of rules, and texts that look at files of this machine."""

from __future__ import annotations

import re
from typing import Final

LIMIT: Final = 4096
"""Bytes of a path. Longer request lines do not fit into nginx's buffers as they come."""

_STRICT: Final = re.compile(r"/[A-Za-z0-9._/-]*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NEVER_MATCH: Final = re.compile(r"//|/\.\.?/|/\.\.?$|%2[fF]")
_DEEP: Final = (
    re.compile(r"(?i)\balias\b.*;"),
    re.compile(r"(?i)\broot\b.*;"),
    re.compile(r"/etc/(?:passwd|shadow|group|nginx|ingress-controller)"),
    re.compile(r"/var/run/secrets"),
    re.compile(r"_by_lua"),
)


def fault(path: str) -> str:
    """Say what is wrong with a path of any type: what would be accepted instead; empty if nothing is wrong."""
    if not path.startswith("/"):
        return "a path that starts with /"
    if _CONTROL.search(path):
        return "a path without control characters"
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        return "a path that is valid Unicode"
    return "" if length <= LIMIT else f"a path of at most {LIMIT} bytes"


def plain_fault(path: str, *, strict: bool) -> str:
    """Say what is wrong with a path that is no pattern (types Exact and Prefix).

    Parts that no normalized request path has are refused always, as by the API server; ``strict`` refuses all but
    ``[A-Za-z0-9._/-]`` (ConfigMap key ``strict-validate-path-type``).
    """
    if _NEVER_MATCH.search(path):
        return "a path without //, /./, /../ and %2f, which no request path has after normalization"
    if strict and not _STRICT.fullmatch(path):
        return "letters, digits and . _ / -; for a pattern use pathType ImplementationSpecific"
    return ""


def looks_inside(text: str) -> bool:
    """Say whether a text tries to reach files of the gateway through its configuration (``--deep-inspect``)."""
    return any(pattern.search(text) for pattern in _DEEP)
