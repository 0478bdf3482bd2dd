"""Canaries: an Ingress that takes a share of the requests of another one (reference a.8, g.11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tidegate.guard import names, regex, values
from tidegate.guard.values import Type
from tidegate.model import Canary
from tidegate.translate.interpret.declarations import Annotation, Part, Risk, Scope
from tidegate.translate.interpret.drafts import Draft


def _pattern(text: str) -> str:
    pattern = str(values.RX.parse(text))
    regex.Pattern(pattern, ignore_case=False, anchored=False)
    return pattern


def _value(text: str) -> str:
    return str(values.BASIC.parse(text))


def _declare(name: str, kind: Type, about: str, *, default: str = "", risk: Risk = Risk.MEDIUM) -> Annotation:
    return Annotation(name, kind, Part(name), about, risk=risk, scope=Scope.INGRESS, default=default)


ANNOTATIONS: Final = (
    _declare(
        "canary", values.BOOL, "Makes the Ingress an alternative to others.", default="false", risk=Risk.LOW
    ),
    _declare(
        "canary-by-header",
        Type("BASIC", "a header name", names.header),
        "Header that decides: always, never.",
    ),
    _declare(
        "canary-by-header-value",
        Type("BASIC", values.BASIC.accepted, _value),
        "Header value that means always.",
    ),
    _declare(
        "canary-by-header-pattern",
        Type("RX", "a regular expression", _pattern),
        "Regular expression for header values that mean always; not used beside canary-by-header-value.",
    ),
    _declare(
        "canary-by-cookie",
        Type("BASIC", "a cookie name", names.cookie),
        "Cookie that decides: always, never.",
    ),
    _declare("canary-weight", values.INT, "Share of the requests.", default="0", risk=Risk.LOW),
    _declare(
        "canary-weight-total",
        values.INT,
        "What canary-weight is a share of; at least 100.",
        default="100",
        risk=Risk.LOW,
    ),
)


def complete(draft: Draft, problems: Callable[[str, str, str], None]) -> None:
    """Put the parts together, if the Ingress is a canary at all."""
    given = {name: draft.parts[name] for name in _NAMES if name in draft.parts}
    if given.get("canary"):
        draft.canary = _canary(given, draft.parts.get("affinity-canary-behavior", ""))
        return
    for name in given.keys() - {"canary"}:
        problems(name, 'canary: "true" beside it', "has no effect: this is an ordinary Ingress")


_NAMES: Final = tuple(annotation.name for annotation in ANNOTATIONS)


def _canary(given: dict[str, Any], behavior: str) -> Canary:
    total = max(given.get("canary-weight-total", 100), 100)
    value = given.get("canary-by-header-value", "")
    return Canary(
        backend="",
        weight=min(max(given.get("canary-weight", 0), 0), total),
        total=total,
        header=given.get("canary-by-header", ""),
        header_value=value,
        header_pattern="" if value else given.get("canary-by-header-pattern", ""),
        cookie=given.get("canary-by-cookie", ""),
        sticky=behavior != "legacy",
    )
