"""Texts with variables in them: literals, with the names of variables between them."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from tidegate.guard import Unacceptable

_VARIABLE: Final = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")
_REST: Final = re.compile(r"[a-z0-9_]{1,64}")


class Variables(msgspec.Struct, frozen=True):
    """Which variables a text may hold."""

    names: tuple[str, ...]
    families: tuple[str, ...] = ()
    """Beginnings of names whose rest is free, as ``http`` for ``http_<header>``."""

    def __contains__(self, name: str) -> bool:
        """Say whether a text may hold a variable."""
        family, _, rest = name.partition("_")
        return name in self.names or (family in self.families and bool(_REST.fullmatch(rest)))

    def __str__(self) -> str:
        """Name them all."""
        return " ".join(["$" + name for name in self.names] + [f"${name}_<…>" for name in self.families])


def parse(text: str, variables: Variables, accepted: str) -> tuple[str, ...]:
    """Take a text apart: literal, variable, literal, … Raises ``Unacceptable`` for any other variable."""
    parts: list[str] = []
    end = 0
    for found in _VARIABLE.finditer(text):
        name = (found[1] or found[2]).lower()
        if name not in variables:
            raise Unacceptable(accepted)
        parts += (text[end : found.start()], name)
        end = found.end()
    parts.append(text[end:])
    if any("$" in literal for literal in parts[::2]):
        raise Unacceptable(accepted)
    return tuple(parts)


def fill_in(template: tuple[str, ...], known: dict[str, str]) -> list[str]:
    """Replace the variables that are known, joining the literals around them; odd places stay variables."""
    result = [template[0]]
    for variable, literal in zip(template[1::2], template[2::2], strict=True):
        if variable in known:
            result[-1] += known[variable] + literal
        else:
            result += (variable, literal)
    return result
