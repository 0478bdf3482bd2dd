"""Names as the API server admits them.

A name that passed here holds lower-case letters, digits, ``-`` and (where dots are allowed) ``.`` only, so it may
become part of a key, a log line or a file name. What is refused is told in words fit for a finding.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

LABEL_LENGTH: Final = 63
SUBDOMAIN_LENGTH: Final = 253

_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")

LABEL_RULE: Final = (
    f"at most {LABEL_LENGTH} lower-case letters, digits and '-', starting and ending with a letter or digit"
)
SUBDOMAIN_RULE: Final = (
    f"at most {SUBDOMAIN_LENGTH} lower-case letters, digits, '-' and '.', each part between dots starting and "
    "ending with a letter or digit"
)

_LABEL_KINDS: Final = frozenset({"Service", "Namespace"})
"""Kinds whose names are one DNS label; those of the others are DNS subdomains."""


@lru_cache(maxsize=4096)
def is_label(name: str) -> bool:
    """Tell whether ``name`` is a DNS-1123 label."""
    return len(name) <= LABEL_LENGTH and _LABEL.fullmatch(name) is not None


def is_subdomain(name: str) -> bool:
    """Tell whether ``name`` is a DNS-1123 subdomain."""
    return len(name) <= SUBDOMAIN_LENGTH and _SUBDOMAIN.fullmatch(name) is not None


def rule_for(kind: str) -> str:
    """Give the rule that names of this kind must follow, in words."""
    return LABEL_RULE if kind in _LABEL_KINDS else SUBDOMAIN_RULE


def is_name_of(kind: str, name: str) -> bool:
    """Tell whether an object of this kind may have this name."""
    return is_label(name) if kind in _LABEL_KINDS else is_subdomain(name)
