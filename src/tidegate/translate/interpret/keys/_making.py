"""What declarations of keys have in common."""

from __future__ import annotations

from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Key

COUNT: Final = values.integer(0)
POSITIVE: Final = values.integer(1)


def flag(name: str, about: str, *, default: bool | None = None, **targets: str) -> Key:
    """Declare a key that is true or false."""
    return Key(name, values.BOOL, default, about, **targets)
