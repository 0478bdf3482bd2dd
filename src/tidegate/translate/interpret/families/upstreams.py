"""How the backend is reached and addressed (reference a.2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tidegate.guard import Unacceptable, values
from tidegate.guard.values import Type
from tidegate.translate.interpret.declarations import Annotation, Invalid, Part, Scope
from tidegate.translate.interpret.drafts import Draft

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

_VARIABLE: Final = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")
_HEADER: Final = re.compile(r"http_[a-z0-9_]{1,64}")
_ACCEPTED: Final = (
    f"a host name; it may hold {' '.join('$' + name for name in (*OF_REQUEST, *OF_ROUTE))} and $http_<header>"
)


def _template(text: str) -> tuple[str, ...]:
    """Take a text apart: literals, with variables between them."""
    parts: list[str] = []
    end = 0
    for found in _VARIABLE.finditer(values.RX.parse(text)):
        name = (found[1] or found[2]).lower()
        if name not in OF_REQUEST and name not in OF_ROUTE and not _HEADER.fullmatch(name):
            raise Unacceptable(_ACCEPTED)
        parts += (found.string[end : found.start()], name)
        end = found.end()
    parts.append(values.RX.parse(text)[end:])
    if any("$" in literal for literal in parts[::2]):
        raise Unacceptable(_ACCEPTED)
    return tuple(parts)


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


def fill_in(template: tuple[str, ...], known: dict[str, str]) -> list[str]:
    """Replace the variables that are known, joining the literals around them; odd places stay variables."""
    result = [template[0]]
    for variable, literal in zip(template[1::2], template[2::2], strict=True):
        if variable in known:
            result[-1] += known[variable] + literal
        else:
            result += (variable, literal)
    return result
