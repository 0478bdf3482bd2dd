"""Location profiles: one named location for each set of values that only nginx's configuration can hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tidegate.model import NodeSettings, Profile

_MIB = 1024 * 1024

_BODY_SIZES = (
    0,
    *(n * _MIB for n in (1, 2, 4, 5, 8, 10, 16, 20, 25, 30, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1024)),
)

EVERYDAY_PROFILES: tuple[Profile, ...] = (
    *(Profile((("body_size", size),)) for size in _BODY_SIZES),
    *(Profile((("body_size", size), ("buffering", True))) for size in _BODY_SIZES),
    Profile((("buffering", True),)),
    Profile((("buffering", False),)),
)
"""Profiles that are in every configuration from the start, so that most first uses need no reload."""


def all_profiles(profiles: Collection[Profile]) -> list[Profile]:
    """Give the default profile, the everyday ones and the given ones, each once, in a stable order."""
    return [Profile(), *sorted({*EVERYDAY_PROFILES, *profiles} - {Profile()})]


def body_limit(profile: Profile, node: NodeSettings) -> int:
    """Give the largest body in bytes that a profile lets through, 0 for no limit."""
    return int(dict(profile.values).get("body_size", node.body_size))


def directives(profile: Profile) -> Iterator[str]:
    """Give the directives in which a profile differs from the server around it."""
    for key, value in profile.values:
        match key, value:
            case "body_size", int():
                yield f"client_max_body_size {int(value)};"
            case "buffering", bool():
                yield f"proxy_buffering {'on' if value else 'off'};"
            case _:
                raise ValueError(f"profile key {key!r} with value {value!r} has no directive")


def location(profile: Profile) -> Iterator[str]:
    """Give the named location of a profile."""
    yield f"location @p_{profile.id} {{"
    for line in directives(profile):
        yield f"    {line}"
    yield "    proxy_pass http://tidegate;"
    yield "}"
