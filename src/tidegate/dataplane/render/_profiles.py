"""Location profiles: one named location for each set of values that only nginx's configuration can hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from tidegate.dataplane.render import _protocols
from tidegate.model import NodeSettings, Profile

_MIB = 1024 * 1024

_BODY_SIZES = (
    0,
    *(n * _MIB for n in (1, 2, 4, 5, 8, 10, 16, 20, 25, 30, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1024)),
)

_PROTOCOLS: Final = ("https", "grpc", "grpcs", "fcgi", "auto_http")

_INTERCEPTED: Final = (
    "404", "404,503", "404,415", "404,500,502,503,504", "500,502,503,504", "502,503,504", "503",
    "403,404,500,502,503,504", "401,403,404,500,502,503,504",
)  # fmt: skip


def _made(**values: int | bool | str) -> Profile:
    return Profile(tuple(sorted(values.items())))


EVERYDAY_PROFILES: tuple[Profile, ...] = (
    *(_made(body_size=size) for size in _BODY_SIZES),
    *(_made(body_size=size, buffering=True) for size in _BODY_SIZES),
    *(_made(body_size=size, request_buffering=False) for size in (0, 100 * _MIB, 1024 * _MIB)),
    _made(buffering=True),
    _made(buffering=False),
    _made(request_buffering=False),
    _made(rewrites_answers=True),
    *(_made(intercept=codes) for codes in _INTERCEPTED),
    *(_made(protocol=protocol) for protocol in _PROTOCOLS),
    *(_made(body_size=size, protocol=protocol) for size in (0, 8 * _MIB) for protocol in _PROTOCOLS[:3]),
)
"""Profiles that are in every configuration from the start, so that most first uses need no reload."""


def all_profiles(profiles: Collection[Profile]) -> list[Profile]:
    """Give the default profile, the everyday ones and the given ones, each once, in a stable order."""
    return [Profile(), *sorted({*EVERYDAY_PROFILES, *profiles} - {Profile()}, key=lambda profile: profile.id)]


def body_limit(profile: Profile, node: NodeSettings) -> int:
    """Give the largest body in bytes that a profile lets through, 0 for no limit."""
    return int(dict(profile.values).get("body_size", node.body_size))


def location(profile: Profile, node: NodeSettings, headers: Mapping[str, str], *, tls: bool) -> Iterator[str]:
    """Give the named location of a profile, for the plain listener or the one with TLS."""
    yield f"location @p_{profile.id} {{"
    for line in _protocols.location_lines(profile, node, headers):
        yield f"    {line}"
    yield f"    {_protocols.pass_line(profile, tls=tls)}"
    yield "}"
