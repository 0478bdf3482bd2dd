"""Label selectors, in the syntax that Kubernetes takes on command lines.

``env=prod,tier!=cache,zone in (a, b),team notin (x),gated,!legacy``: all requirements must hold.
Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

_KEY: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?"
_VALUE: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?"
_REQUIREMENT: Final = re.compile(
    rf"\s*(?:(?P<absent>!)\s*(?P<missing>{_KEY})"
    rf"|(?P<key>{_KEY})\s*(?:(?P<operator>==?|!=)\s*(?P<value>{_VALUE})"
    rf"|\s(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*(?:,|$)"
)


class Operator(StrEnum):
    """How a label is compared."""

    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    ABSENT = "absent"


class Requirement(msgspec.Struct, frozen=True):
    """One condition on one label."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Give the requirement as it could have been written."""
        values = f" ({','.join(sorted(self.values))})" if self.values else ""
        return f"{self.key} {self.operator}{values}"

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels meet it. A label that is not there is in no set."""
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.ABSENT:
                return self.key not in labels


class Selector(msgspec.Struct, frozen=True):
    """All of its requirements must hold; one without any selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels are selected."""
        return all(requirement.holds(labels) for requirement in self.requirements)

    def __repr__(self) -> str:
        """Say what is selected, for help and logs."""
        return " and ".join(map(str, self.requirements)) or "everything"

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Read a selector. Raises ``ValueError`` for anything else."""
        requirements, at = [], 0
        while at < len(text):
            found = _REQUIREMENT.match(text, at)
            if found is None:
                raise ValueError(f"not a label selector: {text[at:]!r}")
            requirements.append(_requirement(found))
            at = found.end()
        return cls(tuple(requirements))


def _requirement(found: re.Match[str]) -> Requirement:
    if found["absent"]:
        return Requirement(found["missing"], Operator.ABSENT)
    if found["set"]:
        values = frozenset(value.strip() for value in found["values"].split(","))
        if not all(re.fullmatch(_VALUE, value) for value in values):
            raise ValueError(f"not label values: {found['values']!r}")
        return Requirement(found["key"], Operator(found["set"]), values)
    if found["operator"]:
        operator = Operator.NOT_IN if found["operator"] == "!=" else Operator.IN
        return Requirement(found["key"], operator, frozenset([found["value"]]))
    return Requirement(found["key"], Operator.EXISTS)
