"""Fixed redirects: a status and a URL for every request (reference a.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Annotation, Invalid, Part, Risk
from tidegate.translate.interpret.drafts import Draft

ANNOTATIONS: Final = (
    Annotation(
        "permanent-redirect",
        values.URL,
        Part("permanent_redirect"),
        "Answers every request with a redirect to this URL.",
        risk=Risk.MEDIUM,
        invalid=Invalid.DROP,
    ),
    Annotation(
        "permanent-redirect-code",
        values.INT,
        Part("permanent_redirect_code"),
        "Status of permanent-redirect; outside 300 to 308 it is 301.",
        invalid=Invalid.DROP,
        default="301",
    ),
)


def complete(draft: Draft, problems: Callable[[str, str, str], None]) -> None:
    """Put status and URL together."""
    url, code = draft.parts.get("permanent_redirect"), draft.parts.get("permanent_redirect_code", 301)
    if url:
        draft.settings["redirect"] = [code if 300 <= code <= 308 else 301, url]
    elif "permanent_redirect_code" in draft.parts:
        problems("permanent-redirect-code", "permanent-redirect beside it", "has no effect alone")
