"""Regular expressions as paths, and rewriting by them (reference a.1, g.2, g.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Annotation, Invalid, Part, Risk, Scope
from tidegate.translate.interpret.drafts import Draft

ANNOTATIONS: Final = (
    Annotation(
        "use-regex",
        values.BOOL,
        Part("use_regex"),
        "Makes every path of the host a regular expression, those of other Ingress objects too.",
        scope=Scope.INGRESS,
        default="false",
    ),
    Annotation(
        "rewrite-target",
        values.PATHCAP,
        Part("rewrite_target"),
        "Path that the backend sees; $1 to $9 and $name are captures of the Ingress path. "
        "Makes every path of the host a regular expression.",
        risk=Risk.MEDIUM,
        scope=Scope.INGRESS,
    ),
    Annotation(
        "x-forwarded-prefix",
        values.PATHCAP,
        Part("forwarded_prefix"),
        "X-Forwarded-Prefix for the backend, where rewrite-target is in effect; may hold its captures.",
        risk=Risk.MEDIUM,
        invalid=Invalid.DROP,
    ),
)


def complete(draft: Draft, problems: Callable[[str, str, str], None]) -> None:
    """Take both over; whether a rewrite is one depends on each path."""
    draft.use_regex = bool(draft.parts.get("use_regex", False))
    draft.rewrite = draft.parts.get("rewrite_target", "")
    if prefix := draft.parts.get("forwarded_prefix"):
        if draft.rewrite:
            draft.settings["forwarded_prefix"] = prefix
        else:
            problems("x-forwarded-prefix", "rewrite-target beside it", "has no effect alone")
