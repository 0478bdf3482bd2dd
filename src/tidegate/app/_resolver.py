"""Asks for the addresses of the names that ExternalName Services point to, as the machine itself would.

That is ``/etc/hosts`` first, then the servers of ``/etc/resolv.conf``. A failure (no server answers) leaves the
addresses as they were; an answer that there are none takes them away.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tidegate.app._hosts_file import HostsFile
from tidegate.app._names import LEAST_TTL, MOST_TTL, Answer, Schedule

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as DnsResolver

RESOLV_CONF: Final = "/etc/resolv.conf"
AT_ONCE: Final = 32
"""Queries on their way at the same time."""

_LIFETIME: Final = 5.0
"""Seconds for one name, all servers and search domains together."""


class Dns:
    """A stub resolver that notices when its file changes."""

    def __init__(self, path: str = RESOLV_CONF, hosts: HostsFile | None = None) -> None:
        """Take the file that names the servers, and the file of names that need none."""
        self._path = path
        self._hosts = hosts or HostsFile()
        self._stamp: tuple[int, int] | None = None
        self._resolver: DnsResolver | None = None

    async def ask(self, name: str) -> Answer | None:
        """Ask for the addresses of a name, IPv4 and IPv6; None if DNS cannot be asked."""
        if known := self._hosts.addresses(name):
            return Answer(known, LEAST_TTL)
        import dns.exception

        try:
            resolver = self._current()
            found = await asyncio.gather(
                self._of_type(resolver, name, "A"), self._of_type(resolver, name, "AAAA")
            )
        except (dns.exception.DNSException, OSError, ValueError):
            return None
        addresses = sorted({address for answer in found for address in answer.addresses})
        return Answer(tuple(addresses), min(answer.ttl for answer in found))

    def _current(self) -> DnsResolver:
        stat = Path(self._path).stat()
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if self._resolver is None or stamp != self._stamp:
            import dns.asyncresolver

            self._resolver = dns.asyncresolver.Resolver(filename=self._path)
            self._resolver.lifetime = _LIFETIME
            self._stamp = stamp
        return self._resolver

    async def _of_type(self, resolver: DnsResolver, name: str, kind: str) -> Answer:
        import dns.resolver

        try:
            answer = await resolver.resolve(name, kind, search=True)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return Answer((), MOST_TTL / 12)
        ttl = answer.rrset.ttl if answer.rrset is not None else 0
        return Answer(tuple(record.to_text() for record in answer), float(ttl))


class Resolver:
    """Keeps the addresses of the wanted names up to date."""

    def __init__(self, dns: Dns, tell: Callable[[str, tuple[str, ...]], None]) -> None:
        """Take whom to ask, and whom to tell each answer."""
        self._dns = dns
        self._tell = tell
        self._schedule = Schedule()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def want(self, names: Iterable[str]) -> None:
        """Take the names that are wanted from now on."""
        self._schedule.want(names, time.monotonic())
        self._wake.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        try:
            while True:
                for name in self._schedule.due(time.monotonic()):
                    task = asyncio.create_task(self._ask(name))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                await self._wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _wait(self) -> None:
        when = self._schedule.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if when is None else max(0.0, when - time.monotonic())):
                await self._wake.wait()
        self._wake.clear()

    async def _ask(self, name: str) -> None:
        async with self._slots:
            answer = await self._dns.ask(name)
        if self._schedule.answered(name, answer, time.monotonic()) and answer is not None:
            self._tell(name, answer.addresses)
        self._wake.set()
