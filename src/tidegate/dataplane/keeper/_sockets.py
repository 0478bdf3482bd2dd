"""The listening sockets of this node: opened once, by the keeper, and lent to each nginx.

Since they outlive every nginx, a connection that comes in while nginx is replaced waits in the queue of its socket
instead of being refused.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterable
from pathlib import Path

from tidegate.dataplane.keeper import _procfs
from tidegate.dataplane.keeper._faults import Fault, PortInUse

Address = tuple[str, int]
"""Address (IPv6 without brackets) and port."""

_LEAST_BACKLOG = 511
"""nginx's own default."""


def backlog() -> int:
    """Give the length of the queue of connections: what the kernel allows, at least nginx's default."""
    try:
        allowed = int(Path("/proc/sys/net/core/somaxconn").read_text())
    except (OSError, ValueError):
        return _LEAST_BACKLOG
    return max(_LEAST_BACKLOG, allowed)


def normal(address: Address) -> Address:
    """Give the one way to write an address. Raises ``OSError`` if it is none."""
    host, port = address
    family = _family(host)
    return socket.inet_ntop(family, socket.inet_pton(family, host)), port


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class Sockets:
    """Sockets by address."""

    def __init__(self) -> None:
        """Begin without any."""
        self._open: dict[Address, socket.socket] = {}

    def adopt(self, sockets: Iterable[socket.socket]) -> None:
        """Take over sockets that listen already."""
        for each in sockets:
            host, port = each.getsockname()[:2]
            address = (host, port)
            if address in self._open:
                each.close()
            else:
                self._open[address] = each

    def has(self, listeners: Iterable[Address]) -> bool:
        """Tell whether all of these are open."""
        return all(address in self._open for address in listeners)

    def open(self, listeners: Iterable[Address]) -> None:
        """Open those that are not; all or none of them. Raises `Fault`."""
        fresh: list[Address] = []
        try:
            for address in listeners:
                if address not in self._open:
                    self._open[address] = _listen(address)
                    fresh.append(address)
        except Fault:
            for address in fresh:
                self._open.pop(address).close()
            raise

    async def open_once_free(self, listeners: Iterable[Address], seconds: float) -> None:
        """Open them, waiting a while for a process that is about to let go of them. Raises `Fault`."""
        wanted = list(listeners)
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                return self.open(wanted)
            except PortInUse:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(0.02)

    def keep_only(self, listeners: Iterable[Address]) -> None:
        """Close all others."""
        wanted = set(listeners)
        for address in [a for a in self._open if a not in wanted]:
            self._open.pop(address).close()

    def descriptors(self, listeners: Iterable[Address]) -> list[int]:
        """Give the file descriptors of those of the listeners that are open."""
        return [self._open[address].fileno() for address in listeners if address in self._open]


def _listen(address: Address) -> socket.socket:
    host, port = address
    fresh = socket.socket(_family(host), socket.SOCK_STREAM)
    try:
        # As nginx does: a port whose last connections are in TIME_WAIT is free.
        fresh.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if fresh.family == socket.AF_INET6:
            fresh.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        fresh.bind((host, port))
        fresh.listen(backlog())
        fresh.settimeout(0)
    except OSError as e:
        fresh.close()
        raise _fault(address, e) from e
    return fresh


def _fault(address: Address, error: OSError) -> Fault:
    host, port = address
    if error.errno != errno.EADDRINUSE:
        return Fault(f"cannot listen on port {port} of {host}: {error.strerror}", address=host, port=port)
    holder = _procfs.holder(port)
    by = f"process {holder}" if holder else "another process"
    return PortInUse(f"port {port} of {host} is in use by {by}", address=host, port=port)
