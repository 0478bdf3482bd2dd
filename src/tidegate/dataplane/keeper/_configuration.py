"""A configuration of nginx as the controller gave it, and as it is kept for a start without one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tidegate.dataplane.access_log import NOWHERE, Destination
from tidegate.dataplane.journal import files
from tidegate.dataplane.keeper._faults import Malformed
from tidegate.dataplane.keeper._sockets import Address, Key, normal

_SHARED_DICT = re.compile(r"^\s*lua_shared_dict\s+(\S+)\s+(\S+?)\s*;", re.MULTILINE)
_SHUTDOWN = re.compile(r"^\s*worker_shutdown_timeout\s+(\d+)(ms|s|m|h)?\s*;", re.MULTILINE)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}

_LONGEST_SHUTDOWN = 240.0
"""Seconds for which old workers are awaited where nginx.conf sets no bound itself."""


class Configuration(msgspec.Struct, frozen=True):
    """What nginx is to run with."""

    generation: str
    listeners: tuple[Address, ...]
    profiles: dict[str, int]
    """Location profile id → body size in bytes."""
    workers: int
    text: str
    """Of nginx.conf."""
    datagrams: tuple[Address, ...] = ()
    """Where datagrams are taken."""
    access_log: Destination = NOWHERE
    """Where the writer of the access log writes."""
    instance: int = 0
    """Number of the instance that runs it."""

    @property
    def sockets(self) -> tuple[Key, ...]:
        """Give every socket that nginx inherits: one for each listener, and for datagrams one for each worker."""
        numbered = ((host, port, n) for host, port in self.datagrams for n in range(self.workers))
        return (*self.listeners, *numbered)

    @property
    def has_metrics(self) -> bool:
        """Tell whether nginx passes questions for metrics on to the exporter."""
        return "metrics.sock" in self.text

    @property
    def memory(self) -> frozenset[tuple[str, str]]:
        """Name and size of each shared memory zone. A reload would empty one whose size differs."""
        return frozenset(_SHARED_DICT.findall(self.text))

    @property
    def shutdown_seconds(self) -> float:
        """How long nginx lets old workers finish."""
        found = _SHUTDOWN.search(self.text)
        return int(found[1]) * _SECONDS[found[2]] if found else _LONGEST_SHUTDOWN

    def reloads_to(self, other: Configuration) -> bool:
        """Tell whether a running nginx can take `other` by a reload, without losing its shared memory."""
        return set(self.sockets) == set(other.sockets) and self.memory == other.memory


class _Request(msgspec.Struct):
    generation: str | int
    profiles: dict[str, int]
    listeners: list[Address]
    workers: int
    datagrams: list[Address] = []
    access_log: Destination = NOWHERE


def from_request(header: Mapping[str, Any], payload: bytes) -> Configuration:
    """Read a ``configure`` request. Raises `Malformed`."""
    try:
        request = msgspec.convert(header, _Request)
        listeners = tuple(dict.fromkeys(normal(address) for address in request.listeners))
        datagrams = tuple(dict.fromkeys(normal(address) for address in request.datagrams))
        text = payload.decode()
    except (msgspec.ValidationError, OSError, ValueError) as e:
        raise Malformed(f"configure: {e}") from e
    if not listeners or request.workers < 1:
        raise Malformed("configure: there must be a listener and a worker")
    return Configuration(
        str(request.generation),
        listeners,
        request.profiles,
        request.workers,
        text,
        datagrams,
        request.access_log,
    )


def load(path: Path) -> Configuration | None:
    """Give the configuration that was kept, or None if there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Configuration)
    except (OSError, msgspec.MsgspecError):
        return None


def save(path: Path, configuration: Configuration) -> None:
    """Keep a configuration. Raises ``OSError``."""
    files.write_atomically(path, [msgspec.json.encode(configuration)])
