"""Value types of annotations and ConfigMap keys, by the names that the reference gives them (a.0).

Spaces around a value are no part of it; spaces inside are refused for single values. (The predecessor takes them out
for the check and puts them into its configuration all the same.)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tidegate.guard import addresses, tls
from tidegate.guard._refusal import Unacceptable


@dataclass(frozen=True, slots=True)
class Type:
    """A type of values: its name, what it accepts in words, and its reader."""

    name: str
    accepted: str
    read: Callable[[str], Any]
    """Takes the text and gives the value; raises ``Unacceptable`` (or ``ValueError``) for a text of another type."""
    closed: bool = True
    """False for a set of characters, which ``--enable-annotation-validation=false`` opens."""

    def parse(self, text: str, *, checked: bool = True) -> Any:
        """Read a text. With ``checked`` false, texts of any printable characters pass where only characters count."""
        if not checked and not self.closed:
            return _printable(text)
        try:
            return self.read(text)
        except ValueError as fault:
            raise Unacceptable(str(fault) if isinstance(fault, Unacceptable) else self.accepted) from None


def _printable(text: str) -> str:
    stripped = text.strip()
    if not stripped.isprintable():
        raise Unacceptable("text without control characters")
    return stripped


# --- numbers and words ------------------------------------------------------------------------------------------------

_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def _bool(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise Unacceptable('"true" or "false"')


BOOL: Final = Type("BOOL", '"true" or "false"', _bool)

_INT: Final = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


def integer(minimum: int = -(2**31), maximum: int = 2**31 - 1) -> Type:
    """Make the type of whole numbers within two bounds, both included: optional sign, digits, no unit."""
    accepted = "a whole number" if minimum < -(2**30) else f"a whole number from {minimum} to {maximum}"

    def read(text: str) -> int:
        if not _INT.fullmatch(text) or not minimum <= (value := int(text)) <= maximum:
            raise Unacceptable(accepted)
        return value

    return Type("INT", accepted, read)


INT: Final = integer()

SECONDS: Final = integer(1, 2_147_483)
"""A timeout: nginx counts milliseconds in 32 bits, and 0 would end every request at once."""


def enum(*members: str, ignore_case: bool = False, values: dict[str, Any] | None = None) -> Type:
    """Make the type of texts that are one of ``members``; ``values`` says what each stands for."""
    known = {(member.lower() if ignore_case else member): member for member in members}

    def read(text: str) -> Any:
        found = known[text.strip().lower() if ignore_case else text.strip()]
        return values[found] if values else found

    accepted = "one of " + ", ".join(members)
    return Type(f"ENUM({', '.join(members)})", accepted, lambda text: _lookup(read, text, accepted))


def _lookup(read: Callable[[str], Any], text: str, accepted: str) -> Any:
    try:
        return read(text)
    except KeyError:
        raise Unacceptable(accepted) from None


ONOFF: Final = enum("on", "off", values={"on": True, "off": False})

# --- sizes and times --------------------------------------------------------------------------------------------------

_UNITS: Final = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SIZE: Final = re.compile(r"([0-9]{1,12})([bkmgBKMG]?)", re.ASCII)


def size(minimum: int = 0, maximum: int = 2**50, *, units: str = "kmg") -> Type:
    """Make the type of sizes: digits and at most one of ``units``, any case. The value is in bytes."""
    accepted = f"digits and at most one of {' '.join(units)}, for example 8m"
    if minimum:
        accepted += f"; at least {minimum} bytes"

    def read(text: str) -> int:
        found = _SIZE.fullmatch(text.strip())
        if not found or (found[2] and found[2].lower() not in units):
            raise Unacceptable(accepted)
        value = int(found[1]) * _UNITS[found[2].lower()]
        if not minimum <= value <= maximum:
            raise Unacceptable(accepted)
        return value

    return Type("SIZE", accepted, read)


_SECONDS_OF: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}[smhdw]?)(?: ?[0-9]{1,9}[smhdw])*", re.ASCII)
_DURATION_PART: Final = re.compile(r"([0-9]+)([smhdw]?)", re.ASCII)


def _duration(text: str) -> int:
    if not _DURATION.fullmatch(text.strip()):
        raise Unacceptable(DURATION.accepted)
    total = sum(int(number) * _SECONDS_OF[unit] for number, unit in _DURATION_PART.findall(text))
    if not 0 <= total <= SECONDS_LIMIT:
        raise Unacceptable(DURATION.accepted)
    return total


SECONDS_LIMIT: Final = 2_147_483
DURATION: Final = Type(
    "DURATION", "a time in seconds, or with one of the units s m h d w, for example 240s", _duration
)

_BUFFERS: Final = re.compile(r"([0-9]{1,4}) +([0-9]{1,9}[kKmM]?)", re.ASCII)


def _buffers(text: str) -> tuple[int, int]:
    found = _BUFFERS.fullmatch(text.strip())
    if not found or not 1 <= int(found[1]) <= 1024:
        raise Unacceptable(BUFFERS.accepted)
    return int(found[1]), int(size(minimum=256, maximum=2**24).parse(found[2]))


BUFFERS: Final = Type("BUFFERS", "a count and a size, for example 4 8k", _buffers)

# --- texts of closed sets of characters -------------------------------------------------------------------------------

_BASIC: Final = r"A-Za-z0-9\-._~/:"
_RX: Final = _BASIC + r"^$\[\](){}*+?|&=\\"


def _chars(name: str, members: str, words: str) -> Type:
    pattern = re.compile(f"[{members}]+")

    def read(text: str) -> str:
        stripped = text.strip(" ")
        if not pattern.fullmatch(stripped):
            raise Unacceptable(words)
        return stripped

    return Type(name, words, read, closed=False)


BASIC: Final = _chars("BASIC", _BASIC, "letters, digits and - . _ ~ / :")
EXT: Final = _chars("EXT", _BASIC + ", ", "letters, digits, spaces and - . _ ~ / : ,")
URL: Final = _chars("URL", _BASIC + ",?&=", "a URL of letters, digits and - . _ ~ / : , ? & =")
PATHCAP: Final = _chars("PATHCAP", _BASIC + "$", "letters, digits and - . _ ~ / : $")
RX: Final = _chars("RX", _RX, r"letters, digits and - . _ ~ / : ^ $ [ ] ( ) { } * + ? | & = \ ")
VAR: Final = _chars("VAR", r"A-Za-z0-9\-_${}", "letters, digits and - _ $ { }")
HDRS: Final = _chars("HDRS", r"A-Za-z0-9\-_, ", "names of letters, digits, - and _, separated by commas")

# --- lists ------------------------------------------------------------------------------------------------------------

CIDRS: Final = Type(
    "CIDRS",
    "a comma-separated list of networks and addresses, for example 10.0.0.0/8,192.0.2.7",
    addresses.networks,
)


def _items(text: str) -> tuple[str, ...]:
    return tuple(item for part in text.split(",") if (item := part.strip()))


LIST: Final = Type("LIST", "a comma-separated list", _items)
ADDRESSES: Final = Type(
    "ADDRESSES",
    "a comma-separated list of IP addresses",
    lambda text: tuple(addresses.address(item.strip("[]")) for item in _items(text)),
)
TEXT: Final = Type("TEXT", "text without control characters", _printable)
PROTOCOLS: Final = Type("PROTOCOLS", f"a space-separated list of {', '.join(tls.PROTOCOLS)}", tls.protocols)
CURVES: Final = Type("CURVES", "auto, or names of curves joined by colons", tls.curves)
TICKET_KEY: Final = Type("TICKETKEY", "base64 of 48 or 80 random bytes", tls.ticket_key)
CIPHERS: Final = Type("CIPHERS", "an OpenSSL cipher list", tls.ciphers)
