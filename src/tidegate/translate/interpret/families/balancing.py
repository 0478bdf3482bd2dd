"""How the endpoints of a backend share its requests: algorithm, consistent hash, sessions (reference a.2, a.7, g.12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tidegate.guard import names, values
from tidegate.guard.values import Type
from tidegate.model import Affinity, HashBy
from tidegate.translate.interpret.declarations import Annotation, Invalid, Part, Risk, Scope
from tidegate.translate.interpret.drafts import Balancing, Draft
from tidegate.translate.interpret.families import templates

OF_BACKEND: Final = ("namespace", "service_name", "service_port")
"""Variables that are known for each backend: they are filled in here."""

_VARIABLES: Final = templates.Variables(
    (
        "remote_addr", "binary_remote_addr", "remote_port", "remote_user", "the_real_ip", "proxy_protocol_addr", "host",
        "http_host", "best_http_host", "server_name", "server_port", "scheme", "request_method", "uri", "document_uri",
        "request_uri", "args", "query_string", "is_args", "request_id", "content_type", "content_length",
        "ssl_client_fingerprint", "ssl_client_s_dn", "ssl_client_serial", "ssl_server_name", "ssl_session_id",
        *OF_BACKEND,
    ),
    ("http", "cookie", "arg"),
)  # fmt: skip

_HASH_ACCEPTED: Final = f"letters, digits and - _, with variables among {_VARIABLES}"

_COOKIE: Final = "INGRESSCOOKIE"

ROUND_ROBIN, EWMA, LEAST_PENDING = "round_robin", "ewma", "least_pending"

ALGORITHM: Final = values.enum(
    ROUND_ROBIN, EWMA, LEAST_PENDING, "least_conn",
    values={ROUND_ROBIN: ROUND_ROBIN, EWMA: EWMA, LEAST_PENDING: LEAST_PENDING, "least_conn": LEAST_PENDING},
)  # fmt: skip
"""What the ConfigMap may say for all backends; ``least_conn`` is the name that nginx has for it."""

_BY_OTHERS: Final = {
    "chash": "upstream-hash-by",
    "chashsubset": "upstream-hash-by",
    "sticky_balanced": "affinity",
    "sticky_persistent": "affinity",
}
"""Algorithms that only work with another annotation, which is what chooses them."""


def _algorithm(text: str) -> str:
    return text.strip() if text.strip() in _BY_OTHERS else str(ALGORITHM.parse(text))


_ALGORITHMS: Final = Type(
    ALGORITHM.name, f"{ALGORITHM.accepted}, {', '.join(_BY_OTHERS)}", _algorithm
)  # fmt: skip


def _hash_key(text: str) -> tuple[str, ...]:
    return templates.parse(values.VAR.parse(text), _VARIABLES, _HASH_ACCEPTED)


def _closed(kind: Type) -> Type:
    """Keep a set of characters closed even if annotations are not validated: these go into a header."""
    return Type(kind.name, kind.accepted, kind.read)


def _declare(
    name: str, kind: Type, about: str, *, default: str = "", risk: Risk = Risk.LOW, **more: Any
) -> Annotation:
    return Annotation(
        name, kind, Part(name), about, risk=risk, scope=Scope.INGRESS, default=default, **more
    )  # fmt: skip


ANNOTATIONS: Final = (
    _declare(
        "load-balance",
        _ALGORITHMS,
        "How endpoints share the requests; affinity and upstream-hash-by go before it.",
        config_key="load-balance",
    ),
    _declare(
        "upstream-hash-by",
        Type("VAR", _HASH_ACCEPTED, _hash_key),
        "Requests with the same key go to the same endpoint; variables and literals.",
        risk=Risk.HIGH,
        invalid=Invalid.DROP,
    ),
    _declare(
        "upstream-hash-by-subset",
        values.BOOL,
        "A key belongs to a few endpoints, of which one is drawn.",
        default="false",
        invalid=Invalid.DROP,
    ),
    _declare(
        "upstream-hash-by-subset-size",
        values.integer(0, 65535),
        "Endpoints in such a subset; 0 is 3.",
        default="3",
        invalid=Invalid.DROP,
    ),
    _declare("affinity", values.enum("cookie"), "Keeps a session at one endpoint, by a cookie."),
    _declare(
        "affinity-mode",
        values.enum("balanced", "persistent"),
        "balanced: sessions are spread anew when endpoints change; persistent: a session stays while its endpoint does.",
        default="balanced",
        risk=Risk.MEDIUM,
    ),
    _declare(
        "affinity-canary-behavior",
        values.enum("sticky", "legacy"),
        "On a canary. sticky: sessions begun at the canary stay there; legacy: they are decided at each request.",
        default="sticky",
    ),
    _declare(
        "session-cookie-name",
        Type("BASIC", "a cookie name", names.cookie),
        "Name of the cookie.",
        default=_COOKIE,
        risk=Risk.MEDIUM,
    ),
    _declare(
        "session-cookie-path",
        _closed(values.URL),
        "Path of the cookie; to be given where paths are regular expressions.",
        default="the path of the rule",
        risk=Risk.MEDIUM,
    ),
    _declare("session-cookie-domain", _closed(values.BASIC), "Domain of the cookie.", risk=Risk.MEDIUM),
    _declare(
        "session-cookie-expires", values.INT, "Seconds until the cookie expires (Expires).", risk=Risk.MEDIUM
    ),
    _declare(
        "session-cookie-max-age", values.INT, "Life of the cookie in seconds (Max-Age).", risk=Risk.MEDIUM
    ),
    _declare(
        "session-cookie-samesite",
        values.enum("None", "Lax", "Strict", ignore_case=True),
        "SameSite of the cookie.",
    ),
    _declare(
        "session-cookie-conditional-samesite-none",
        values.BOOL,
        "Leaves SameSite=None out for browsers that mistake it.",
        default="false",
    ),
    _declare(
        "session-cookie-secure",
        values.BOOL,
        "true: the cookie is always Secure.",
        default="Secure if the request came over HTTPS",
    ),
    _declare(
        "session-cookie-change-on-failure",
        values.BOOL,
        "A try that fails moves the session to another endpoint.",
        default="false",
    ),
)

_OF_SESSIONS: Final = {
    "affinity-mode": "mode",
    "session-cookie-name": "name",
    "session-cookie-path": "path",
    "session-cookie-domain": "domain",
    "session-cookie-expires": "expires",
    "session-cookie-max-age": "max_age",
    "session-cookie-samesite": "samesite",
    "session-cookie-conditional-samesite-none": "conditional_samesite_none",
    "session-cookie-secure": "secure",
    "session-cookie-change-on-failure": "change_on_failure",
}
_OF_HASH: Final = ("upstream-hash-by-subset", "upstream-hash-by-subset-size")
_SUBSET: Final = 3


def complete(draft: Draft, problems: Callable[[str, str, str], None]) -> None:
    """Put the parts together. A canary has sessions by its primary's affinity alone (reference g.11)."""
    parts = draft.parts
    affinity = None
    if not parts.get("canary"):
        affinity = _affinity(parts, problems)
        if affinity and not affinity.path and draft.use_regex:
            problems(
                "affinity", "session-cookie-path beside it", "no browser takes a pattern for a cookie's path"
            )
        draft.settings |= {"affinity": True} if affinity else {}
    hash_by = _hash_by(parts, problems)
    draft.balancing = Balancing(_chosen(parts, hash_by, problems), hash_by, affinity)


def _affinity(parts: dict[str, Any], problems: Callable[[str, str, str], None]) -> Affinity | None:
    if parts.get("affinity") == "cookie":
        given = {field: parts[name] for name, field in _OF_SESSIONS.items() if name in parts}
        return Affinity(**{"name": _COOKIE, **given})
    for name in parts.keys() & _OF_SESSIONS.keys():
        problems(name, "affinity: cookie beside it", "has no effect without affinity")
    return None


def _hash_by(parts: dict[str, Any], problems: Callable[[str, str, str], None]) -> HashBy | None:
    if key := parts.get("upstream-hash-by"):
        size = parts.get("upstream-hash-by-subset-size", _SUBSET) or _SUBSET
        return HashBy(key, size if parts.get("upstream-hash-by-subset") else 0)
    for name in parts.keys() & set(_OF_HASH):
        problems(name, "upstream-hash-by beside it", "has no effect without upstream-hash-by")
    return None


def _chosen(parts: dict[str, Any], hash_by: HashBy | None, problems: Callable[[str, str, str], None]) -> str:
    if hash_by is not None:
        return "hash"
    algorithm = str(parts.get("load-balance", ""))
    if needed := _BY_OTHERS.get(algorithm):
        if needed not in parts:
            problems("load-balance", f"{needed} beside it", f"has no effect without {needed}")
        return ""
    return algorithm
