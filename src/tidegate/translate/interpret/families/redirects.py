"""Fixed redirects: a status and a URL for every request, and where the root of a host leads (reference a.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tidegate.guard import Unacceptable, values
from tidegate.guard.values import Type
from tidegate.translate.interpret.declarations import Annotation, Data, Invalid, Part, Risk
from tidegate.translate.interpret.drafts import Draft


def _absolute_path(text: str) -> str:
    accepted = f"a path that starts with /, of {values.PATHCAP.accepted}"
    try:
        path: str = values.PATHCAP.parse(text)
    except Unacceptable:
        raise Unacceptable(accepted) from None
    if not path.startswith("/"):
        raise Unacceptable(accepted)
    return path


_PATH: Final = Type("PATHCAP", "a path that starts with /", _absolute_path)
_LOWEST: Final = 300
_DEFAULTS: Final = {"temporal": (302, 307), "permanent": (301, 308)}
"""By kind: the usual status, and the highest one that may be asked for."""

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
    Annotation(
        "temporal-redirect",
        values.URL,
        Part("temporal_redirect"),
        "Answers every request with a redirect to this URL, which starts with http; goes before permanent-redirect.",
        risk=Risk.MEDIUM,
        invalid=Invalid.DROP,
    ),
    Annotation(
        "temporal-redirect-code",
        values.INT,
        Part("temporal_redirect_code"),
        "Status of temporal-redirect; outside 300 to 307 it is 302.",
        invalid=Invalid.DROP,
        default="302",
    ),
    Annotation(
        "app-root",
        _PATH,
        Data("app_root"),
        "Redirects the path / (with 302) to this one, where the Ingress has a path that covers /.",
        risk=Risk.MEDIUM,
    ),
    Annotation(
        "relative-redirects",
        values.BOOL,
        Data("relative_redirects"),
        "The redirect that adds a final slash names the path alone, not scheme and host.",
        invalid=Invalid.DROP,
        config_key="relative-redirects",
    ),
)


def complete(draft: Draft, problems: Callable[[str, str, str], None]) -> None:
    """Put status and URL together."""
    for kind, (usual, highest) in _DEFAULTS.items():
        url, code = draft.parts.get(f"{kind}_redirect"), draft.parts.get(f"{kind}_redirect_code", usual)
        if url and kind == "temporal" and not url.startswith("http"):
            problems(f"{kind}-redirect", "a URL that starts with http", "It is left out.")
        elif url and "redirect" in draft.settings:
            problems(f"{kind}-redirect", "one of both", "temporal-redirect beside it goes first.")
        elif url:
            draft.settings["redirect"] = [code if _LOWEST <= code <= highest else usual, url]
        elif f"{kind}_redirect_code" in draft.parts:
            problems(f"{kind}-redirect-code", f"{kind}-redirect beside it", "has no effect alone")
