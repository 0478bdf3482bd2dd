"""How a command ends when it cannot do what it was asked for."""

from __future__ import annotations

from typing import Final

FINE: Final = 0
FOUND: Final = 1
"""The command did its work and found something."""
WRONG_USE: Final = 2
WORLD_FAILED: Final = 3


class CommandError(Exception):
    """A command ends; the message says why, for people."""

    code = WORLD_FAILED


class WrongUse(CommandError):
    """The command line asks for something that makes no sense."""

    code = WRONG_USE


class WorldFailed(CommandError):
    """What was asked for makes sense, and the machine or the gateway cannot do it."""
