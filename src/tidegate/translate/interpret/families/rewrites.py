"""Regular expressions as paths, and rewriting by them (reference a.1, g.2, g.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Annotation, Part, Risk, Scope
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
)


def complete(draft: Draft, _problems: Callable[[str, str, str], None]) -> None:
    """Take both over; whether a rewrite is one depends on each path."""
    draft.use_regex = bool(draft.parts.get("use_regex", False))
    draft.rewrite = draft.parts.get("rewrite_target", "")
