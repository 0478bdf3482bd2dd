"""Ports of TCP and UDP services that belong to another process.

They are left out, so that everything else comes into force, and tried again after a while. Pure: the time is given.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from tidegate.dataplane.push import PortInUse
from tidegate.findings import Effect, Finding
from tidegate.model import NodeSettings

AGAIN: Final = 30.0
"""Seconds until a port is tried again. The attempt costs no reload while the port is still taken."""


class TakenPorts:
    """The ports that could not be opened, and since when."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}
        self._found: dict[int, Finding] = {}

    def note(self, error: PortInUse, node: NodeSettings, now: float) -> bool:
        """Take that a port could not be opened; False if it is not one that the gateway can do without."""
        if all(item.port != error.port for item in node.stream_ports):
            return False
        self._until[error.port] = now + AGAIN
        self._found[error.port] = Finding(
            Effect.FAILED,
            "PortInUse",
            "",
            "",
            str(error.port),
            "a port that no other process has",
            str(error),
        )
        return True

    def without(self, node: NodeSettings, now: float) -> NodeSettings:
        """Give node settings without the ports that are taken and not due to be tried again."""
        taken = {port for port, until in self._until.items() if until > now}
        if not taken:
            return node
        return replace(node, stream_ports=tuple(p for p in node.stream_ports if p.port not in taken))

    def wait(self, now: float) -> float | None:
        """Give the seconds until the next port is to be tried again; None if there is none."""
        return max(0.1, min(self._until.values()) - now) if self._until else None

    def settle(self, node: NodeSettings) -> None:
        """Take that a configuration is in force: its ports are open."""
        for item in node.stream_ports:
            self._until.pop(item.port, None)
            self._found.pop(item.port, None)

    def keep_only(self, node: NodeSettings) -> None:
        """Forget the ports that nobody wants any longer."""
        wanted = {item.port for item in node.stream_ports}
        for port in [p for p in self._until if p not in wanted]:
            del self._until[port]
            del self._found[port]

    def findings(self) -> tuple[Finding, ...]:
        """Say which ports are taken."""
        return tuple(self._found.values())
