"""Types of flags: each says what it wants when it is given something else."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter, Token

from tidegate.kube.selectors import Selector

_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+|0")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE: Final = re.compile(r"(\d+)([kmg]?)", re.IGNORECASE)
_SIZES: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_NAME: Final = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
_QUALIFIED: Final = re.compile(rf"{_NAME}/{_NAME}")
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_NAME: Final = re.compile(rf"{_NAME}")


class Output(StrEnum):
    """How a command prints what it found."""

    TEXT = "text"
    """For people."""
    JSON = "json"
    """For programs."""


class Metrics(StrEnum):
    """How requests are counted."""

    FULL = "full"
    """As ingress-nginx does."""
    COMPACT = "compact"
    """In a few series a route."""
    OFF = "off"


def _flag(parse: Callable[[str], Any], wants: str) -> Parameter:
    """Make a converter of a function that raises ``ValueError`` for what it does not take."""

    def convert(_: type, tokens: Sequence[Token]) -> Any:
        text = tokens[0].value
        try:
            return parse(text)
        except ValueError:
            raise ValueError(f'"{text}" is not accepted; it wants {wants}') from None

    return Parameter(converter=convert)


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError
        return number

    return parse


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text and not pattern.fullmatch(text):
            raise ValueError
        return text

    return parse


def duration(text: str) -> float:
    """Read a duration as Go writes it (``1m30s``); seconds. Raises ``ValueError``."""
    if not _DURATION.fullmatch(text):
        raise ValueError(text)
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def size(text: str) -> int:
    """Read a size with an optional unit k, m or g; bytes. Raises ``ValueError``."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(text)
    return int(found[1]) * _SIZES[found[2].lower()]


def _store_size(text: str) -> int:
    number = size(text)
    if number < 1024**2:
        raise ValueError(text)
    return number


def _numbers(text: str) -> tuple[float, ...]:
    numbers = tuple(float(part) for part in text.split(","))
    if not all(map(math.isfinite, numbers)):
        raise ValueError(text)
    return numbers


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


Port = Annotated[int, _flag(_whole(1, 65535), "a port from 1 to 65535")]
Count = Annotated[int, _flag(_whole(0, 2**31 - 1), "a whole number")]
Cells = Annotated[int, _flag(_whole(64, 1_000_000), "a whole number from 64 to 1000000")]
Seconds = Annotated[int, _flag(_whole(0, 10**7), "a whole number of seconds")]
UpdateInterval = Annotated[int, _flag(_whole(5, 10**7), "a whole number of seconds, at least 5")]
Duration = Annotated[float, _flag(duration, "a duration such as 30s or 1m30s")]
Number = Annotated[float, _flag(float, "a number")]
Size = Annotated[int, _flag(_store_size, "a size of at least 1m, such as 256m or 1g")]
Qualified = Annotated[str, _flag(_matching(_QUALIFIED), "namespace/name")]
Label = Annotated[str, _flag(_matching(_LABEL), "a name of lower-case letters, digits and dashes")]
LabelSelector = Annotated[Selector, _flag(Selector.parse, "a label selector such as env=prod,team in (a,b)")]
Prefix = Annotated[str, _flag(_matching(_DNS_NAME), "a DNS name such as nginx.ingress.kubernetes.io")]
Numbers = Annotated[tuple[float, ...], _flag(_numbers, "numbers with commas between them")]
Words = Annotated[tuple[str, ...], _flag(_words, "words with commas between them")]
Folder = Annotated[Path, _flag(lambda text: Path(text).absolute(), "a folder")]

EVERYTHING: Final = Selector()
"""The selector that leaves nothing out."""
