"""How the backend is reached and addressed (reference a.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tidegate.guard import values
from tidegate.guard.values import Type
from tidegate.translate.interpret.declarations import Annotation, Invalid, Part, Scope
from tidegate.translate.interpret.drafts import Draft
from tidegate.translate.interpret.families import templates

OF_ROUTE: Final = ("namespace", "ingress_name", "service_name", "service_port", "location_path")
"""Variables whose value is known for each route: they are filled in here."""

OF_REQUEST: Final = (
    "host",
    "http_host",
    "best_http_host",
    "server_name",
    "server_port",
    "scheme",
    "remote_addr",
    "request_method",
    "uri",
    "request_uri",
    "args",
)
"""Variables that nginx knows; ``http_<header>`` too."""

_VARIABLES: Final = templates.Variables((*OF_REQUEST, *OF_ROUTE), ("http",))
_ACCEPTED: Final = f"a host name; it may hold {_VARIABLES}"


def _template(text: str) -> tuple[str, ...]:
    return templates.parse(str(values.RX.parse(text)), _VARIABLES, _ACCEPTED)


ANNOTATIONS: Final = (
    Annotation(
        "service-upstream",
        values.BOOL,
        Part("service_upstream"),
        "Sends requests to the Service's cluster IP instead of to its endpoints.",
        scope=Scope.INGRESS,
        config_key="service-upstream",
        # As upstream: not the ConfigMap's value.
        otherwise=False,
    ),
    Annotation(
        "upstream-vhost",
        Type("RX", _ACCEPTED, _template),
        Part("upstream_vhost"),
        "Host header that the backend sees; may hold variables.",
        invalid=Invalid.DROP,
    ),
)


def complete(draft: Draft, _problems: Callable[[str, str, str], None]) -> None:
    """Take both over; the ConfigMap's default of the one and the route's values for the other come later."""
    draft.service_upstream = draft.parts.get("service_upstream")
    draft.vhost = draft.parts.get("upstream_vhost", ())
