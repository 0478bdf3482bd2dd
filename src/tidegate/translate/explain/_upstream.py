"""What the backend gets: the request target after a rewrite, the Host header, and the choice of a canary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tidegate import model
from tidegate.translate.explain import _patterns
from tidegate.translate.explain._balancing import Target, cookies
from tidegate.translate.explain._uris import Uri
from tidegate.translate.explain._values import CanaryChoice, Request

_CAPTURE: Final = re.compile(r"\$(?:(\d)|\{(\w+)\}|([A-Za-z_]\w*))")
_ESCAPED: Final = frozenset(' "#%<>?\\^`{|}') | {chr(c) for c in (*range(0x20), *range(0x7F, 0x100))}
"""What nginx encodes in a path that it writes anew (`ngx_escape_uri`, kind URI)."""


def rewritten(target: str, pattern: str, uri: Uri) -> str | None:
    """Give the request target that a rewrite makes: captures filled in, encoded, the query kept.

    None if the pattern is not found in the path: then nothing is rewritten. Raises `NotComparable`.
    """
    found = _patterns.find(pattern, uri.path, ignore_case=True)
    if found is None:
        return None
    values = {**{str(at): text for at, text in enumerate(found.groups)}, **found.names}
    path = _CAPTURE.sub(lambda name: values.get(name[1] or name[2] or name[3], ""), target)
    path = path if path.startswith("/") else f"/{path}"
    encoded = "".join(f"%{ord(c):02X}" if c in _ESCAPED else c for c in path)
    return f"{encoded}?{uri.query}" if uri.query else encoded


def canary_for(canary: model.Canary, request: Request, primary: Target, beside: Target) -> CanaryChoice:
    """Decide as reference g.11 does: the session, then header, then cookie, then weight."""

    def chosen(probability: float, reason: str) -> CanaryChoice:
        return CanaryChoice(canary.backend, probability, reason)

    if primary.is_session_here(request):
        return chosen(0.0, "the session was begun at the primary")
    if beside.is_session_here(request):
        return chosen(1.0, "the session was begun at the canary")
    if canary.header and (value := request.headers.get(canary.header.lower())) is not None:
        verdict = _by_header(canary, value)
        if verdict is not None:
            return chosen(float(verdict), f"header {canary.header} is {value!r}")
    if canary.cookie and (value := cookies(request.headers).get(canary.cookie)) in {"always", "never"}:
        return chosen(float(value == "always"), f"cookie {canary.cookie} is {value}")
    share = min(max(canary.weight / max(canary.total, 1), 0.0), 1.0)
    return chosen(share, f"weight {canary.weight} of {canary.total}")


def _by_header(canary: model.Canary, value: str) -> bool | None:
    """Say what a canary's header decides; None: nothing."""
    if canary.header_value:
        return True if value == canary.header_value else None
    if canary.header_pattern:
        try:
            return True if _patterns.find(canary.header_pattern, value) else None
        except _patterns.NotComparable:
            # A pattern that cannot be evaluated leaves the request with the primary.
            return False
    return {"always": True, "never": False}.get(value)


def host_sent(template: object, variables: Mapping[str, str], host: str) -> str:
    """Give the Host header of `upstream_vhost`: literals, with variable names at the odd places."""
    if not isinstance(template, list | tuple) or not template:
        return host
    return "".join(variables.get(part, f"${part}") if at % 2 else part for at, part in enumerate(template))
