"""How annotations and ConfigMap keys are declared. One declaration says all: reader, reference page and linter use it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Final

from tidegate.guard.values import Type

OWN_PREFIX: Final = "tidegate.io/"
"""Of annotations that the predecessor does not have."""


class Risk(IntEnum):
    """What the wrong hands could do with an annotation (reference a.0); see ``annotations-risk-level``."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
    CRITICAL = 3


class Invalid(StrEnum):
    """What an invalid value does (reference a.0)."""

    DROP = "refused"
    """The whole Ingress is refused; its last good version stays in force."""
    DENY = "denied"
    """Every route of the Ingress answers 503."""
    DFLT = "default"
    """The default is used, as if the annotation were absent."""


class Scope(StrEnum):
    """What an annotation is about."""

    INGRESS = "ingress"
    LOCATION = "location"


@dataclass(frozen=True, slots=True)
class Data:
    """Goes as data to Lua: a key of ``Route.settings``, or of the global settings (docs: the inner contract)."""

    key: str


@dataclass(frozen=True, slots=True)
class InProfile:
    """Is part of the location profile: nginx takes it only from its configuration."""

    key: str


@dataclass(frozen=True, slots=True)
class Part:
    """Is one part of something that a family puts together, or a property of the Ingress."""

    name: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation."""

    name: str
    """Without the prefix."""
    type: Type
    target: Data | InProfile | Part
    about: str
    """One line for the reference page."""
    risk: Risk = Risk.LOW
    scope: Scope = Scope.LOCATION
    invalid: Invalid = Invalid.DFLT
    default: str = ""
    """In words, if there is no ConfigMap key."""
    config_key: str = ""
    """The ConfigMap key that gives the default."""
    aliases: tuple[str, ...] = ()
    """Looked at only if the name itself is absent or empty."""
    otherwise: Any = None
    """The value that an invalid text stands for, where that is not the default."""
    own: bool = False
    """It is none of the predecessor's: its prefix is ``OWN_PREFIX``, whatever ``--annotations-prefix`` says."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the global ConfigMap. Each target that is not empty gets the value."""

    name: str
    type: Type
    default: Any
    """What holds if the key is absent; None: what the flags or ``NodeSettings`` say."""
    about: str
    data: str = ""
    """Key of the global data settings."""
    node: str = ""
    """Field of ``NodeSettings``."""
    policy: str = ""
    """Field of ``Policy``."""
