"""Faults: what an interpretation finds wrong with its object, collected on the way."""

from __future__ import annotations

from typing import Final

from tidegate.findings import Effect, Finding
from tidegate.kube.objects import Ref

VALUE_LENGTH: Final = 200
"""Characters of a value that a finding shows."""


def cut(text: str) -> str:
    """Shorten a value for a finding, and take out what would break a line or a terminal."""
    shown = text if len(text) <= VALUE_LENGTH else text[: VALUE_LENGTH - 1] + "…"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown)


class Faults:
    """Collects the findings about one object."""

    def __init__(self, ref: Ref) -> None:
        self.object = cut(str(ref))
        self.found: list[Finding] = []

    def add(
        self, effect: Effect, kind: str, field: str, value: str = "", accepted: str = "", message: str = ""
    ) -> None:
        """Note one fault."""
        self.found.append(Finding(effect, kind, self.object, cut(field), cut(value), accepted, message))

    @property
    def refused(self) -> bool:
        """Say whether any fault refuses the object."""
        return any(finding.effect is Effect.REFUSED for finding in self.found)

    def all(self) -> tuple[Finding, ...]:
        """Give all findings, each once, in a fixed order."""
        return tuple(sorted(set(self.found)))
