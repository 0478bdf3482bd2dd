"""TLS that is passed through to the backend (reference a.1, g.17)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Annotation, Invalid, Part, Scope
from tidegate.translate.interpret.drafts import Draft

ANNOTATIONS: Final = (
    Annotation(
        "ssl-passthrough",
        values.BOOL,
        Part("passthrough"),
        "Sends TLS connections for the host to the backend of its path / as they are; needs --enable-ssl-passthrough.",
        scope=Scope.INGRESS,
        invalid=Invalid.DROP,
        default="false",
    ),
)


_OVER_TLS: Final = {"": "https", "http": "https", "auto_http": "https", "grpc": "grpcs"}


def over_tls(protocol: str) -> str:
    """Give the protocol in which requests on the plain port reach a backend that ends TLS itself."""
    return _OVER_TLS.get(protocol, protocol)


def complete(draft: Draft, _problems: Callable[[str, str, str], None]) -> None:
    """Take it over."""
    draft.passthrough = bool(draft.parts.get("passthrough"))
