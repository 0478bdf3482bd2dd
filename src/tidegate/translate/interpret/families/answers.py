"""What is rewritten in the answers of backends: redirects and cookies (reference a.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tidegate.guard import Unacceptable, values
from tidegate.guard.values import Type
from tidegate.translate.interpret.declarations import Annotation, Part, Risk
from tidegate.translate.interpret.drafts import Draft

_OFF: Final = "off"

_Words = tuple[str, str] | str


def _two(kind: Type) -> Type:
    """Make the type of ``off``, or two words of a kind: what is replaced, and by what."""
    accepted = f"off, or two words with a space between, each of {kind.accepted}"

    def read(text: str) -> _Words:
        words = text.split()
        if words == [_OFF]:
            return _OFF
        if len(words) != 2 or words[0].startswith("~"):
            raise Unacceptable(accepted)
        return kind.parse(words[0]), kind.parse(words[1])

    return Type(kind.name, accepted, read)


def _start(text: str) -> str:
    found = str(values.URL.parse(text))
    if found.startswith("~"):
        raise Unacceptable(f"{values.URL.accepted}, with no ~ first: regular expressions are not taken here")
    return found


ANNOTATIONS: Final = (
    Annotation(
        "proxy-redirect-from",
        Type("URL", values.URL.accepted, _start),
        Part("redirect_from"),
        "Beginning of a backend's Location and Refresh headers that is replaced by proxy-redirect-to; off and default "
        "replace nothing.",
        risk=Risk.MEDIUM,
        default="off",
    ),
    Annotation(
        "proxy-redirect-to",
        values.URL,
        Part("redirect_to"),
        "What it is replaced by; one that begins with a slash gets scheme and host of the request.",
        risk=Risk.MEDIUM,
        default="off",
    ),
    Annotation(
        "proxy-cookie-domain",
        _two(values.BASIC),
        Part("cookie_domain"),
        "Domain of a backend's cookies, and what it is replaced by.",
        risk=Risk.MEDIUM,
        default="off",
    ),
    Annotation(
        "proxy-cookie-path",
        _two(values.URL),
        Part("cookie_path"),
        "Beginning of the path of a backend's cookies, and what it is replaced by.",
        risk=Risk.MEDIUM,
        default="off",
    ),
)


def complete(draft: Draft, problems: Callable[[str, str, str], None]) -> None:
    """Put them together; routes that rewrite have a location of their own, and nobody else pays."""
    found = {}
    beginning, end = draft.parts.get("redirect_from", _OFF), draft.parts.get("redirect_to", _OFF)
    if beginning in {_OFF, "default"}:
        if end != _OFF:
            problems("proxy-redirect-to", "proxy-redirect-from beside it", "has no effect alone")
    elif end == _OFF:
        problems("proxy-redirect-from", "proxy-redirect-to beside it", "has no effect alone")
    else:
        found["redirect"] = [beginning, end]
    for name in ("cookie_domain", "cookie_path"):
        words = draft.parts.get(name, _OFF)
        if words != _OFF:
            found[name] = list(words)
    if found:
        draft.settings["answers"] = found
        draft.profile["rewrites_answers"] = True
