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
"""Address (IPv6 without brackets) and port; of a socket, that it takes connections there."""

Key = Address | tuple[str, int, int]
"""Which socket: address and port, and a number if it is one of those that share the datagrams of a port.

Each worker reads one of these, so that the kernel sends a client's datagrams always to the same worker.
"""

_SO_COOKIE = 57
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
        self._open: dict[Key, socket.socket] = {}

    def adopt(self, sockets: Iterable[socket.socket]) -> None:
        """Take over sockets that listen already."""
        for each in sockets:
            if (key := self._key(each)) in self._open:
                each.close()
            else:
                self._open[key] = each

    def _key(self, found: socket.socket) -> Key:
        host, port = found.getsockname()[:2]
        if found.type != socket.SOCK_DGRAM:
            return host, port
        cookie = _cookie(found)
        taken = [each for key, each in self._open.items() if len(key) == 3 and key[:2] == (host, port)]
        same = next((n for n, each in enumerate(taken) if _cookie(each) == cookie), len(taken))
        return host, port, same

    def has(self, listeners: Iterable[Key]) -> bool:
        """Tell whether all of these are open."""
        return all(address in self._open for address in listeners)

    def open(self, listeners: Iterable[Key]) -> None:
        """Open those that are not; all or none of them. Raises `Fault`."""
        fresh: list[Key] = []
        try:
            for address in listeners:
                if address not in self._open:
                    self._open[address] = _listen(address)
                    fresh.append(address)
        except Fault:
            for address in fresh:
                self._open.pop(address).close()
            raise

    async def open_once_free(self, listeners: Iterable[Key], seconds: float) -> None:
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

    def keep_only(self, listeners: Iterable[Key]) -> None:
        """Close all others."""
        wanted = set(listeners)
        for address in [a for a in self._open if a not in wanted]:
            self._open.pop(address).close()

    def descriptors(self, listeners: Iterable[Key]) -> list[int]:
        """Give the file descriptors of those of the listeners that are open."""
        return [self._open[address].fileno() for address in listeners if address in self._open]


def _cookie(sock: socket.socket) -> bytes:
    """Give what the kernel calls a socket, whatever descriptor it is known by."""
    return sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8)


def _listen(key: Key) -> socket.socket:
    host, port = address = key[:2]
    takes_datagrams = len(key) == 3
    fresh = socket.socket(_family(host), socket.SOCK_DGRAM if takes_datagrams else socket.SOCK_STREAM)
    try:
        # As nginx does: a port whose last connections are in TIME_WAIT is free.
        fresh.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if takes_datagrams:
            fresh.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if fresh.family == socket.AF_INET6:
            fresh.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        fresh.bind((host, port))
        if not takes_datagrams:
            fresh.listen(backlog())
        fresh.settimeout(0)
    except OSError as e:
        fresh.close()
        raise _fault(address, e, takes_datagrams=takes_datagrams) from e
    return fresh


def _fault(address: Address, error: OSError, *, takes_datagrams: bool) -> Fault:
    host, port = address
    if error.errno != errno.EADDRINUSE:
        return Fault(f"cannot listen on port {port} of {host}: {error.strerror}", address=host, port=port)
    holder = _procfs.holder(port, datagrams=takes_datagrams)
    by = f"process {holder}" if holder else "another process"
    return PortInUse(f"port {port} of {host} is in use by {by}", address=host, port=port)
