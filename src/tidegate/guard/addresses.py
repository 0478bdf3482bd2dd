"""IP addresses and networks."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

from tidegate.guard._refusal import Unacceptable

_MAPPED: Final = bytes(10) + b"\xff\xff"


def address(text: str) -> str:
    """Read one IP address, without brackets, port or zone; give its shortest spelling."""
    try:
        return str(ipaddress.IPv4Address(text) if ":" not in text else _without_zone(text))
    except ValueError:
        raise Unacceptable("an IP address") from None


def _without_zone(text: str) -> ipaddress.IPv6Address:
    if "%" in text:
        raise ValueError(text)
    return ipaddress.IPv6Address(text)


def networks(text: str) -> tuple[str, ...]:
    """Read a comma list of networks and addresses: every item must be one. Sorted, each once, host bits cleared."""
    return tuple(sorted({network(item.strip()) for item in text.split(",")}))


def network(text: str) -> str:
    """Read one network, or an address as the network of just that."""
    host, slash, length = text.partition("/")
    try:
        base = _without_zone(host) if ":" in host else ipaddress.IPv4Address(host)
        if not slash:
            return str(ipaddress.ip_network(base))
        if not (length.isascii() and length.isdigit() and len(length) <= 3):
            raise Unacceptable("a network such as 10.0.0.0/8")
        return str(ipaddress.ip_network((base, int(length)), strict=False))
    except ValueError:
        raise Unacceptable("a network such as 10.0.0.0/8, or an address") from None


def unreachable(text: str) -> str:
    """Say why requests must never be sent to an address: what kind of address it is; empty if nothing is wrong.

    Loopback and link-local addresses (those of cloud metadata services too) lead to this machine and its neighbors,
    not to a backend. Raises ``Unacceptable`` if the text is no address. Called for every endpoint, so it does not take
    the slow way over ``ipaddress``.
    """
    packed = _packed(text)
    if len(packed) == 16 and packed.startswith(_MAPPED):
        packed = packed[12:]
    return _kind_v4(packed) if len(packed) == 4 else _kind_v6(packed)


def is_loopback(text: str) -> bool:
    """Say whether an address leads back to this machine."""
    return unreachable(text) in {"loopback", "unspecified"}


def _packed(text: str) -> bytes:
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        # ValueError: a NUL inside.
        raise Unacceptable("an IP address") from None


def _kind_v4(packed: bytes) -> str:
    first = packed[0]
    if first == 127:
        return "loopback"
    if first == 0:
        return "unspecified"
    if first == 169 and packed[1] == 254:
        return "link-local"
    return "multicast" if first >= 224 else ""


def _kind_v6(packed: bytes) -> str:
    if packed[0] == 0 and not any(packed[:15]):
        return {0: "unspecified", 1: "loopback"}.get(packed[15], "")
    if packed[0] == 0xFE and packed[1] & 0xC0 == 0x80:
        return "link-local"
    return "multicast" if packed[0] == 0xFF else ""
