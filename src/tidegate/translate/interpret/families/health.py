"""Active checks of endpoints. The predecessor has none, so these annotations are ours: prefix ``tidegate.io/``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from tidegate.guard import Unacceptable, names, values
from tidegate.guard.values import Type
from tidegate.model import HealthCheck
from tidegate.translate.interpret.declarations import Annotation, Part, Scope
from tidegate.translate.interpret.drafts import Balancing, Draft

_CHECK: Final = "health-check"
_STATUSES: Final = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?", re.ASCII)
_STATUSES_ACCEPTED: Final = "statuses and ranges joined by commas, for example 200,300-399"
_PATH: Final = re.compile(r"/[A-Za-z0-9\-._~/:,?&=%+]{0,1023}", re.ASCII)
_PATH_ACCEPTED: Final = (
    "a path that starts with /, perhaps with a query: letters, digits and - . _ ~ / : , ? & = % +"
)
_SERVICE: Final = re.compile(r"[A-Za-z0-9._/-]{1,126}", re.ASCII)
_SERVICE_ACCEPTED: Final = "a gRPC service name: letters, digits and . _ / -, at most 126"
_LONGEST_HOST: Final = 126
_MOST_RANGES: Final = 16


def _statuses(text: str) -> tuple[tuple[int, int], ...]:
    found = [_STATUSES.fullmatch(item.strip()) for item in text.split(",")]
    ranges = [(int(each[1]), int(each[2] or each[1])) for each in found if each]
    if len(ranges) < len(found) or len(ranges) > _MOST_RANGES or any(a > b for a, b in ranges):
        raise Unacceptable(_STATUSES_ACCEPTED)
    return tuple(sorted(set(ranges)))


def _whole(pattern: re.Pattern[str], accepted: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text.strip()):
            raise Unacceptable(accepted)
        return text.strip()

    return read


def _host(text: str) -> str:
    name = names.dns_name(text.strip())
    if len(name) > _LONGEST_HOST:
        raise Unacceptable(f"a DNS name of at most {_LONGEST_HOST} characters")
    return name


def _declare(name: str, kind: Type, about: str, default: str) -> Annotation:
    return Annotation(name, kind, Part(name), about, scope=Scope.INGRESS, default=default, own=True)


ANNOTATIONS: Final = (
    _declare(
        _CHECK,
        values.enum("http", "tcp", "grpc"),
        "Each node checks each endpoint of the Ingress's backends: GET, a connection, or the gRPC health protocol.",
        "none: endpoints are judged by traffic alone",
    ),
    _declare(
        f"{_CHECK}-path", Type("PATH", _PATH_ACCEPTED, _whole(_PATH, _PATH_ACCEPTED)), "Path of the GET.", "/"
    ),
    _declare(
        f"{_CHECK}-host",
        Type("HOST", "a DNS name", _host),
        "Host header of the GET, or the gRPC authority.",
        "address and port of the endpoint",
    ),
    _declare(
        f"{_CHECK}-statuses",
        Type("STATUSES", _STATUSES_ACCEPTED, _statuses),
        "Statuses of a good answer.",
        "200-399",
    ),
    _declare(
        f"{_CHECK}-service",
        Type("SERVICE", _SERVICE_ACCEPTED, _whole(_SERVICE, _SERVICE_ACCEPTED)),
        "Service that a gRPC server is asked about.",
        "the server as a whole",
    ),
    _declare(
        f"{_CHECK}-interval", values.integer(1, 3600), "Seconds between two checks, up to a tenth more or less.", "10"
    ),
    _declare(
        f"{_CHECK}-timeout", values.integer(1, 300), "Seconds for one check; at most the interval.", "2"
    ),
    _declare(
        f"{_CHECK}-rise", values.integer(1, 100), "Good checks in a row until an endpoint is used again.", "2"
    ),
    _declare(
        f"{_CHECK}-fall", values.integer(1, 100), "Failed checks in a row until an endpoint is passed over.", "3"
    ),
)  # fmt: skip

_OF_KIND: Final = {"path": "http", "statuses": "http", "service": "grpc"}
_TLS: Final = frozenset({"https", "grpcs"})


def complete(draft: Draft, problems: Callable[[str, str, str], None]) -> None:
    """Put the check together; it belongs to the backends, as the balancing does."""
    kind = draft.parts.get(_CHECK)
    given = {
        name.removeprefix(_CHECK + "-"): value
        for name, value in draft.parts.items()
        if name.startswith(_CHECK + "-")
    }
    if kind is None:
        for name in given:
            problems(f"{_CHECK}-{name}", f"{_CHECK} beside it", f"has no effect without {_CHECK}")
    elif check := _check(str(kind), given, draft.protocol, problems):
        draft.balancing = msgspec.structs.replace(draft.balancing, check=check, protocol=draft.protocol)


def _check(
    kind: str, given: dict[str, Any], protocol: str, problems: Callable[[str, str, str], None]
) -> HealthCheck | None:
    if reason := _impossible(kind, protocol):
        problems(_CHECK, "tcp", reason)
        return None
    for name, of in _OF_KIND.items():
        if name in given and kind != of:
            problems(f"{_CHECK}-{name}", f"{_CHECK}: {of}", f"has no effect on a check by {kind}")
    check = HealthCheck(
        kind=kind, **{name: value for name, value in given.items() if _OF_KIND.get(name, kind) == kind}
    )
    if check.timeout > check.interval:
        if "timeout" in given:
            problems(
                f"{_CHECK}-timeout",
                f"at most {check.interval:g}, the interval",
                "The interval is the timeout.",
            )
        return msgspec.structs.replace(check, timeout=check.interval)
    return check


def _impossible(kind: str, protocol: str) -> str:
    if kind == "http" and protocol == "fcgi":
        return "A FastCGI server answers no GET."
    if kind == "grpc" and protocol in _TLS:
        return "gRPC health is asked without TLS only."
    return ""


def of_backend(balancing: Balancing, service_says: str) -> HealthCheck | None:
    """Give the check of a backend, for the protocol that its Service says it speaks unless the Ingress said one."""
    check, protocol = balancing.check, balancing.protocol or service_says
    if check is None:
        return None
    if _impossible(check.kind, protocol):
        return msgspec.structs.replace(check, kind="tcp")
    return msgspec.structs.replace(check, tls=check.kind == "http" and protocol in _TLS)
