"""Which protocol the backend speaks (reference a.2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tidegate.guard import Unacceptable, values
from tidegate.guard.values import Type
from tidegate.translate.interpret.declarations import Annotation, Data, InProfile, Invalid, Part, Risk
from tidegate.translate.interpret.drafts import Draft

HTTP: Final = "http"
"""The protocol of a backend about which nothing is said."""

OVER_TLS: Final = frozenset({"https", "grpcs", "auto_http"})
"""Protocols whose connections are, or may be, TLS."""

GRPC: Final = frozenset({"grpc", "grpcs"})

APP_PROTOCOLS: Final = {
    "http": HTTP,
    "https": "https",
    "grpc": "grpc",
    "grpcs": "grpcs",
    "kubernetes.io/h2c": "grpc",
    "kubernetes.io/ws": HTTP,
    "kubernetes.io/wss": "https",
    "fastcgi": "fcgi",
}
"""Protocol by the ``appProtocol`` of a Service's port, in lower case. nginx speaks HTTP/2 to a backend as for gRPC."""

_INDEX: Final = re.compile(r"[A-Za-z0-9._-]{1,255}", re.ASCII)
_INDEX_ACCEPTED: Final = "a file name of letters, digits and . - _"


def _index(text: str) -> str:
    if not _INDEX.fullmatch(text.strip()):
        raise Unacceptable(_INDEX_ACCEPTED)
    return text.strip()


ANNOTATIONS: Final = (
    Annotation(
        "backend-protocol",
        values.enum(
            "HTTP", "HTTPS", "GRPC", "GRPCS", "FCGI", "AUTO_HTTP", ignore_case=True,
            values={name: name.lower() for name in ("HTTP", "HTTPS", "GRPC", "GRPCS", "FCGI", "AUTO_HTTP")},
        ),
        Part("protocol"),
        "Protocol of the backend; AUTO_HTTP is that of the client's connection, HTTP or HTTPS. "
        "Stands above the appProtocol of the Service's port.",
        default="what the appProtocol of the Service's port says, else HTTP",
    ),
    Annotation(
        "connection-proxy-header",
        values.enum("close", "keep-alive"),
        InProfile("connection"),
        "Connection header that the backend sees, always; a WebSocket cannot be opened then.",
        invalid=Invalid.DROP,
    ),
    Annotation(
        "fastcgi-index",
        Type("INDEX", _INDEX_ACCEPTED, _index),
        Data("script_index"),
        "File that a FastCGI backend is asked for where the path ends with a slash.",
        risk=Risk.MEDIUM,
        invalid=Invalid.DROP,
    ),
    Annotation(
        "fastcgi-params-configmap",
        values.BASIC,
        Part("script_params"),
        "ConfigMap in the namespace of the Ingress with parameters for a FastCGI backend: names and values, which may hold "
        "variables.",
        risk=Risk.MEDIUM,
        invalid=Invalid.DROP,
    ),
)  # fmt: skip


def complete(draft: Draft, _problems: Callable[[str, str, str], None]) -> None:
    """Take the protocol over; empty if nothing is said."""
    draft.protocol = draft.parts.get("protocol", "")
