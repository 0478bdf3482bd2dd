"""``/etc/hosts``: names that the machine knows without asking DNS."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Final

PATH: Final = Path("/etc/hosts")


class HostsFile:
    """The names of a hosts file, read again when it has changed."""

    def __init__(self, path: Path = PATH) -> None:
        """Take the file; it need not exist."""
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._names: dict[str, tuple[str, ...]] = {}

    def addresses(self, name: str) -> tuple[str, ...]:
        """Give the addresses of a name, sorted; none if the file does not know it."""
        self._refresh()
        return self._names.get(name.lower().removesuffix("."), ())

    def _refresh(self) -> None:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp != self._stamp:
                self._names = parse(self._path.read_text(errors="replace"))
                self._stamp = stamp
        except OSError:
            self._names, self._stamp = {}, None


def parse(text: str) -> dict[str, tuple[str, ...]]:
    """Read a hosts file: an address and its names a line; what is no such line is passed over."""
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            ipaddress.ip_address(address)
        except ValueError:
            continue
        for name in names:
            found.setdefault(name.lower(), set()).add(address)
    return {name: tuple(sorted(addresses)) for name, addresses in found.items()}
