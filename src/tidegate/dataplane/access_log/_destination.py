"""Where the access log goes, as the controller says it and the keeper keeps it."""

from __future__ import annotations

from dataclasses import dataclass

FIFO = "access.fifo"
"""The pipe, in the state folder."""

LOCK = "access-log.lock"
"""Held by the writer; says who it is and where it writes."""

STDOUT = "/dev/stdout"


@dataclass(frozen=True, slots=True)
class Destination:
    """What the writer is told."""

    to: str
    """Absolute path of a file, or ``/dev/stdout``; empty: there is no access log, or none by way of the pipe."""
    most: int = 0
    """Bytes of the file before it is moved aside; 0: it grows."""
    copies: int = 1
    """Old files that are kept."""
    tell: bool = True
    """Lines of JSON in the log may tell of lost lines."""

    def arguments(self) -> list[str]:
        """Give the writer's arguments, without the state folder."""
        tell = ["--tell"] if self.tell else []
        return ["--to", self.to, "--most", str(self.most), "--copies", str(self.copies), *tell]


NOWHERE = Destination("")
