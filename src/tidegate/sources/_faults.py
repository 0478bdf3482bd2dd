"""The exception of the readers: text that is not what it should be, with its place."""

from __future__ import annotations


class Unreadable(Exception):
    """A document cannot be read. Becomes a finding at the face of the readers."""

    def __init__(
        self, type_: str, line: int, column: int, message: str, accepted: str, value: str = ""
    ) -> None:
        """Take the finding's type, the place (both 1-based, in the document), and its words."""
        super().__init__(f"{line}:{column}: {message}")
        self.type = type_
        self.line = line
        self.column = column
        self.message = message
        self.accepted = accepted
        self.value = value
