"""Why the keeper could not do what it was asked for."""

from __future__ import annotations

from tidegate.dataplane.keeper.replies import Word


class Fault(Exception):
    """Something was not done, and nothing of it is in force."""

    word = Word.FAILED

    def __init__(self, message: str, **fields: str | int) -> None:
        """Keep the message and what else the reply says."""
        super().__init__(message)
        self.fields = fields


class Conflict(Fault):
    """The delta builds on another version."""

    word = Word.CONFLICT


class Full(Fault):
    """nginx's memory is full."""

    word = Word.FULL


class Down(Fault):
    """nginx does not answer."""

    word = Word.DOWN


class Refused(Fault):
    """nginx does not take the configuration."""

    word = Word.REFUSED


class PortInUse(Fault):
    """A port belongs to another process."""

    word = Word.IN_USE


class Malformed(Fault):
    """The request is not what the protocol asks for."""

    word = Word.MALFORMED
