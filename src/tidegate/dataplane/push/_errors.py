"""What can go wrong between a controller and its keeper."""

from __future__ import annotations

from tidegate.dataplane.keeper.locks import InUse as StateDirInUse

__all__ = [
    "ConfigurationRefused",
    "KeeperError",
    "KeeperFailed",
    "KeeperGone",
    "NginxDown",
    "PortInUse",
    "PushConflict",
    "StateDirInUse",
    "StoreFull",
]


class KeeperError(Exception):
    """The keeper did not do what it was asked for, and nothing of it is in force."""


class KeeperGone(KeeperError):
    """No keeper answers, or it ended before its answer: whether it did what was asked is not known."""


class KeeperFailed(KeeperError):
    """The machine failed (a disk, a limit), or the request was none."""


class NginxDown(KeeperError):
    """nginx does not answer. The keeper starts it again by itself."""


class PushConflict(KeeperError):
    """The delta builds on another version than the one in force."""

    def __init__(self, message: str, version: int) -> None:
        """Keep the version in force."""
        super().__init__(message)
        self.version = version


class StoreFull(KeeperError):
    """The delta does not fit into nginx's memory."""

    def __init__(self, message: str, key: str) -> None:
        """Keep the key of the entry at which the memory was full."""
        super().__init__(message)
        self.key = key


class ConfigurationRefused(KeeperError):
    """nginx does not take the configuration; the message is what it says."""


class PortInUse(KeeperError):
    """A port belongs to another process, which the message names if it is known."""

    def __init__(self, message: str, address: str, port: int) -> None:
        """Keep which port it is."""
        super().__init__(message)
        self.address = address
        self.port = port
