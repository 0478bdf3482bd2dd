"""Addresses that no request may be sent to, and networks."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.guard import Unacceptable, addresses


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.9.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("febf::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "multicast"),
        ("ff02::1", "multicast"),
        ("10.0.0.1", ""),
        ("169.253.0.1", ""),
        ("fd00::1", ""),
        ("fec0::1", ""),
        ("::2", ""),
        ("2001:db8::1", ""),
    ],
)
def test_where_addresses_lead(address: str, kind: str) -> None:
    """Addresses of this machine and its neighbors are told from those of backends."""
    assert addresses.unreachable(address) == kind


@pytest.mark.parametrize(
    "text", ["", "a", "10.0.0", "10.0.0.1:80", "[::1]", "fe80::1%eth0", "1.2.3.4\x00", "10.0.0.256"]
)
def test_no_addresses(text: str) -> None:
    """What is no address is refused, not taken for a name to look up."""
    with pytest.raises(Unacceptable):
        addresses.unreachable(text)
    with pytest.raises(Unacceptable):
        addresses.address(text)


@given(st.ip_addresses())
def test_every_address_that_the_standard_library_calls_local_is_told(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """The fast check lets none through."""
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        assert addresses.unreachable(str(address))


@given(st.ip_addresses(network="127.0.0.0/8"))
def test_loopback_hides_behind_no_spelling(address: ipaddress.IPv4Address) -> None:
    """An IPv4 address written as IPv6 is the same address."""
    assert addresses.unreachable(f"::ffff:{address}") == "loopback"
    assert addresses.unreachable(f"::FFFF:{int(address) >> 16:x}:{int(address) & 0xFFFF:x}") == "loopback"
