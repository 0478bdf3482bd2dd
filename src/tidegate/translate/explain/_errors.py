"""What becomes of the gateway's own errors: a gRPC status, an error page, or nothing; the mirror of `errors.lua`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tidegate import model
from tidegate.translate.explain._settings import Effective
from tidegate.translate.explain._values import Request

_UNKNOWN: Final = 2
_GRPC_STATUS: Final = {400: 13, 401: 16, 403: 7, 404: 12, 413: 8, 429: 14, 502: 14, 503: 14, 504: 14}
"""HTTP status → gRPC status; all others are UNKNOWN."""

_GRPC: Final = "application/grpc"


def is_grpc(request: Request) -> bool:
    """Tell whether a request is a gRPC call; gRPC-Web is none."""
    kind = request.headers.get("content-type", "")
    return kind.startswith(_GRPC) and kind[len(_GRPC) : len(_GRPC) + 1] in {"", "+", ";", " "}


def grpc_status(request: Request, status: int) -> int | None:
    """Give the gRPC status that stands for an HTTP status; None for requests that are no gRPC calls."""
    return _GRPC_STATUS.get(status, _UNKNOWN) if is_grpc(request) else None


class Pages:
    """Who has pages for the errors of one route."""

    def __init__(self, entries: Mapping[str, model.Entry], settings: Effective) -> None:
        self._entries = entries
        self.listed: tuple[int, ...] = tuple(settings["custom_errors"] or ())
        self._own = str(settings["default_backend"] or "")
        self._common = str(settings["default_backend_service"] or "")

    def source(self, status: int) -> str:
        """Give the id of the backend that has a page for a status; empty if none has."""
        if status not in self.listed:
            return ""
        return next((name for name in (self._own, self._common) if self._has_endpoints(name)), "")

    @property
    def stand_in(self) -> str:
        """Give the id of the backend that takes over where there are no endpoints; empty if there is none."""
        return self._own if self._has_endpoints(self._own) else ""

    @property
    def anyone(self) -> str:
        """Give the id of the backend that is asked for pages, whether it has endpoints or not."""
        return (self.stand_in or self._common or self._own) if self.listed else ""

    def _has_endpoints(self, name: str) -> bool:
        found = self._entries.get(f"b/{name}")
        return isinstance(found, model.Backend) and bool(found.endpoints)
