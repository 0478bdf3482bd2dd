"""Location profiles: the settings that nginx can only take from its configuration, as typed values."""

from __future__ import annotations

import hashlib

import msgspec


class Profile(msgspec.Struct, frozen=True, order=True):
    """One distinct set of configuration-only settings, as overrides of the global ones.

    ``values`` holds (profile key, value) pairs sorted by key; values are numbers, booleans, members of an enum, digests
    or PEM written anew, never text of a user. Two routes with the same values share the profile.
    """

    values: tuple[tuple[str, int | bool | str], ...] = ()

    @property
    def id(self) -> str:
        """Twelve hex digits made of the content; empty for the default profile, which overrides nothing."""
        if not self.values:
            return ""
        return hashlib.sha256(msgspec.json.encode(self.values)).hexdigest()[:12]
