"""The machine's name servers, as nginx's ``resolver`` wants them."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from tidegate.app._resolver import RESOLV_CONF


def nameservers(path: str = RESOLV_CONF) -> tuple[str, ...]:
    """Give the addresses, IPv6 in brackets; none if the file cannot be read. Those that need a zone are left out."""
    try:
        lines = Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return ()
    words = (line.split() for line in lines)
    found = (_address(item[1]) for item in words if len(item) > 1 and item[0] == "nameserver")
    return tuple(dict.fromkeys(text for text in found if text))


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if address.version == 6:
        return "" if "%" in text else f"[{address}]"
    return str(address)
