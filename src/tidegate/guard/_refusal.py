"""The one exception of this room."""

from __future__ import annotations


class Unacceptable(ValueError):
    """A text that is not of the type asked for. The message says what would be accepted, never what was given."""
