"""Error pages (reference f.4, g.14): which errors go to which backend instead of to the client.

Errors that the gateway makes itself are a matter of data. Those that backends answer are lost once nginx holds them back,
so the codes to hold back are part of the location profile, as numbers in one sorted text; routes with equal lists share it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tidegate.guard import Unacceptable, names, values
from tidegate.guard.values import Type
from tidegate.translate._options import Options
from tidegate.translate.interpret.declarations import Annotation, Data, Invalid, Part
from tidegate.translate.interpret.drafts import Draft
from tidegate.translate.interpret.policies import Policy

ANY_PORT: Final = "*"
"""In the place of a port: the first one of the Service. No port can have this name."""

_NUMBER: Final = re.compile(r"[0-9]{3}", re.ASCII)
_NEVER: Final = 499
"""nginx's own word for a client that has gone; it takes no page for it."""


def codes(minimum: int, maximum: int) -> Type:
    """Make the type of lists of status codes within two bounds; the value is sorted, each once."""
    accepted = f"a comma-separated list of status codes from {minimum} to {maximum}, without {_NEVER}"

    def read(text: str) -> tuple[int, ...]:
        items = [item.strip() for item in text.strip().removesuffix(",").split(",")]
        if not all(_NUMBER.fullmatch(item) for item in items):
            raise Unacceptable(accepted)
        found = sorted({int(item) for item in items})
        if found[0] < minimum or found[-1] > maximum or _NEVER in found:
            raise Unacceptable(accepted)
        return tuple(found)

    return Type("CODES", accepted, read)


ANNOTATIONS: Final = (
    Annotation(
        "custom-http-errors",
        codes(400, 599),
        Data("custom_errors"),
        "Error statuses that the client gets from the default backend instead; replaces the ConfigMap's list.",
        invalid=Invalid.DROP,
        config_key="custom-http-errors",
    ),
    Annotation(
        "default-backend",
        Type("SERVICE", "the name of a Service in the same namespace", names.label),
        Part("default_backend"),
        "Service that answers where the path's own has no endpoints, and for custom-http-errors; its first port.",
        invalid=Invalid.DROP,
    ),
    Annotation(
        "disable-proxy-intercept-errors",
        values.BOOL,
        Part("passes_errors"),
        "Lets errors that backends answer pass; those of the gateway itself still go to the default backend.",
        config_key="disable-proxy-intercept-errors",
    ),
)


def complete(draft: Draft, _problems: Callable[[str, str, str], None]) -> None:
    """Take the Service and the switch over; what they mean depends on the ConfigMap and on flags."""
    if draft.canary is None:
        draft.default_backend = draft.parts.get("default_backend", "")
    draft.passes_errors = draft.parts.get("passes_errors")


def held_back_everywhere(policy: Policy, options: Options) -> tuple[int, ...]:
    """Give the statuses of backends that every route without annotations holds back.

    None without ``--default-backend-service``: what is held back for nobody is only lost.
    """
    return policy.custom_errors if options.default_backend_service and not policy.passes_errors else ()


def settle(draft: Draft, namespace: str, policy: Policy, options: Options) -> None:
    """Put what the annotations, the ConfigMap and the flags come to into the draft's settings and profile."""
    if draft.default_backend:
        draft.settings["default_backend"] = backend_id(namespace, draft.default_backend)
    wanted: tuple[int, ...] = draft.settings.get("custom_errors", policy.custom_errors)
    passes = policy.passes_errors if draft.passes_errors is None else draft.passes_errors
    if passes or not (draft.default_backend or options.default_backend_service):
        wanted = ()
    if wanted != held_back_everywhere(policy, options):
        draft.profile["intercept"] = ",".join(map(str, wanted))


def backend_id(namespace: str, service: str) -> str:
    """Name the backend of a Service's first port. It is not the one of a rule: no canary stands beside it."""
    return f"{namespace}/{service}/{ANY_PORT}"
