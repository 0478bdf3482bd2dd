"""Which entries an entry names, and how often each entry in force is named by others.

With this the order of deltas is a local question: what names something is pushed with it or after it, and what is
still named is not removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from tidegate import model

_NAMING: Final = frozenset("hmrbt")
"""Kinds of entries that can name others."""

_PREVIOUS: Final = b'"q":'
"""How `Route.profile_before` begins on the wire; only a hint, since a text may hold it too."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the queue has to know of an entry."""

    targets: tuple[str, ...] = ()
    """Keys of the entries that it names."""
    profile: str = ""
    """Id of a route's location profile; empty for the default one and for entries that are no routes."""


_NONE: Final = Facts()


def facts_of(key: str, value: bytes) -> Facts:
    """Read what an entry names. Raises ``msgspec.ValidationError`` if the bytes are not such an entry."""
    if key[0] not in _NAMING:
        return _NONE
    match model.decode(key, value):
        case model.Route() as route:
            return Facts(tuple(_targets_of_route(route)), route.profile)
        case model.Backend(canary=canary):
            return Facts((f"b/{canary.backend}",)) if canary else _NONE
        case model.Host() as host:
            return Facts(_targets_of_host(key, host))
        case model.Bucket(rules=rules):
            return Facts(_routes(rules))
        case model.TlsHost(certificate=certificate, others=others):
            return Facts(tuple(f"c/{name}" for name in (certificate, *others) if name))
        case _:
            return _NONE


def without_previous(key: str, value: bytes) -> bytes:
    """Give a route as it was wanted: without `profile_before`, which is added on the way to nginx."""
    if key[0] != "r" or _PREVIOUS not in value:
        return value
    route = _route(key, value)
    return model.encode(replace(route, profile_before="")) if route.profile_before else value


def with_previous(key: str, value: bytes, profile: str) -> bytes:
    """Give a route with the profile that workers of an older generation are to use."""
    return model.encode(replace(_route(key, value), profile_before=profile))


def with_profile(key: str, value: bytes, profile: str) -> bytes:
    """Give a route with another profile than it wants."""
    return model.encode(replace(_route(key, value), profile=profile))


class References:
    """How often each key is named by the entries in force."""

    def __init__(self) -> None:
        self._targets: dict[str, tuple[str, ...]] = {}
        self._count: Counter[str] = Counter()

    def __getitem__(self, key: str) -> int:
        """Give the number of entries that name a key."""
        return self._count[key]

    def set(self, key: str, targets: tuple[str, ...]) -> list[str]:
        """Take what an entry names now; give the keys that nothing names any longer."""
        before = self._targets.pop(key, ())
        if targets:
            self._targets[key] = targets
        for target in targets:
            self._count[target] += 1
        return [target for target in before if self._drop(target)]

    def changed_by(self, entries: Iterable[tuple[str, tuple[str, ...]]]) -> Counter[str]:
        """Give the difference in counts if these entries named these targets."""
        difference: Counter[str] = Counter()
        for key, targets in entries:
            difference.update(targets)
            difference.subtract(self._targets.get(key, ()))
        return difference

    def _drop(self, target: str) -> bool:
        self._count[target] -= 1
        if self._count[target] > 0:
            return False
        del self._count[target]
        return True


def _targets_of_route(route: model.Route) -> Iterator[str]:
    for backend in (route.backend, route.settings.get("default_backend")):
        if backend:
            yield f"b/{backend}"
    if route.certificate:
        yield f"c/{route.certificate}"


def _targets_of_host(key: str, host: model.Host) -> tuple[str, ...]:
    where = key.removeprefix("h/")
    buckets = tuple(f"m/{where}/{number}" for number in range(host.buckets))
    fallback = (f"r/{host.fallback}",) if host.fallback else ()
    return (*_routes(host.rules), *fallback, *buckets)


def _routes(rules: Iterable[model.Rule]) -> tuple[str, ...]:
    return tuple(f"r/{rule.route}" for rule in rules)


def _route(key: str, value: bytes) -> model.Route:
    route = model.decode(key, value)
    assert isinstance(route, model.Route)  # noqa: S101 (the key says so)
    return route
