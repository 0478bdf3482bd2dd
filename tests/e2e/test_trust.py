"""Who the client is, and what backends are told of it: every mode, every kind of peer, every way to say it."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import itertools
import struct
from collections.abc import Iterator

import pytest

from harness import certs, http, http2
from harness.backends import Backend, Backends, Echo
from harness.dataplane import DataPlane, simple

HOST, LISTED = "told.example", "listed.example"
PEER = "127.0.0.1"
LISTED_NETWORKS = ("198.51.100.0/24", "2001:db8::/32")
NEAR = ("10.0.0.0/8", "fd00::/8")
"""Networks that are always trusted; the peer's own is added or not."""


@dataclasses.dataclass(frozen=True)
class Mode:
    forwarded: bool = False
    real_ip: bool = False
    proxy: bool = False
    full: bool = False
    trusts_peer: bool = True

    @property
    def networks(self) -> tuple[str, ...]:
        return (*NEAR, "127.0.0.0/8") if self.trusts_peer else NEAR

    def trusts(self, address: str) -> bool:
        return any(ipaddress.ip_address(address) in ipaddress.ip_network(n) for n in self.networks)

    def plane(self, backend: Backend) -> DataPlane:
        endpoints = [(backend.address, backend.port)]
        entries = simple(HOST, "web", endpoints) | simple(
            LISTED, "web", endpoints, settings={"allow": list(LISTED_NETWORKS)}
        )
        return DataPlane(
            entries,
            use_forwarded_headers=self.forwarded,
            enable_real_ip=self.real_ip,
            use_proxy_protocol=self.proxy,
            compute_full_forwarded_for=self.full,
            real_ip_cidrs=self.networks,
        )


@dataclasses.dataclass(frozen=True)
class Preamble:
    """A PROXY header and what it says."""

    name: str
    data: bytes
    source: str = ""
    port: int = 0
    is_valid: bool = True


def v1(source: str, port: int) -> Preamble:
    family, to = ("TCP6", "2001:db8::99") if ":" in source else ("TCP4", "192.0.2.99")
    return Preamble(
        f"v1 {source} {port}", f"PROXY {family} {source} {to} 4711 {port}\r\n".encode(), source, port
    )


def v2(source: str, port: int) -> Preamble:
    address = ipaddress.ip_address(source)
    to = ipaddress.ip_address("2001:db8::99" if address.version == 6 else "192.0.2.99")
    said = address.packed + to.packed + struct.pack(">HH", 4711, port)
    return Preamble(
        f"v2 {source} {port}", _v2(0x21, 0x21 if address.version == 6 else 0x11, said), source, port
    )


def _v2(command: int, family: int, said: bytes) -> bytes:
    return b"\r\n\r\n\x00\r\nQUIT\n" + struct.pack(">BBH", command, family, len(said)) + said


STRANGE, TRUSTED = "198.51.100.7", "10.1.1.1"
PREAMBLES = (
    v1(STRANGE, 443),
    v1(TRUSTED, 8443),
    v1("2001:db8::7", 80),
    v2(STRANGE, 80),
    v2(TRUSTED, 443),
    v2("fd00::7", 443),
    v2("2001:db8::7", 443),
    Preamble("v1 UNKNOWN", b"PROXY UNKNOWN\r\n"),
    Preamble("v2 LOCAL", _v2(0x20, 0x00, b"")),
    Preamble("none", b"", is_valid=False),
    Preamble("v1 without addresses", b"PROXY TCP4\r\n", is_valid=False),
    Preamble("v1 with a name", b"PROXY TCP4 evil.example 192.0.2.1 1 2\r\n", is_valid=False),
    Preamble("v1 too long", b"PROXY TCP4 " + b"1" * 200 + b"\r\n", is_valid=False),
    Preamble("v2 of version 3", b"\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c" + bytes(12), is_valid=False),
    Preamble("v2 shorter than its addresses", _v2(0x21, 0x11, bytes(4)), is_valid=False),
)
SAID: tuple[dict[str, str], ...] = (
    {},
    {"X-Forwarded-For": "198.51.100.9"},
    {"X-Forwarded-For": "203.0.113.9, 198.51.100.9, 10.2.2.2"},
    {"X-Forwarded-For": "10.3.3.3, 10.2.2.2", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "8443"},
    {"X-Forwarded-For": "2001:db8::9, fd00::1", "X-Forwarded-Host": "public.example:81, inner.example"},
    {"X-Forwarded-For": "nonsense, 10.2.2.2", "X-Forwarded-Proto": "gopher", "X-Forwarded-Port": "x"},
    {
        "X-Forwarded-Host": "public.example/../evil",
        "Forwarded": "for=203.0.113.1",
        "X-Real-IP": "203.0.113.2",
        "X-Scheme": "wss",
        "X-Forwarded-Scheme": "wss",
        "X-Original-Forwarded-For": "203.0.113.3",
        "X-Request-ID": "mine",
    },
)


class Expected:
    """What the documented rules give; worked out apart from the gateway."""

    def __init__(self, mode: Mode, preamble: Preamble | None, said: dict[str, str], port: int) -> None:
        self.mode, self.said = mode, said
        self.is_closed = mode.proxy and (preamble is None or not preamble.is_valid or not mode.trusts_peer)
        named = preamble if preamble is not None and mode.proxy and preamble.source else None
        self.sender = named.source if named else PEER
        self.believed = mode.forwarded and mode.trusts(self.sender)
        self.client = self._client()
        own = "https" if named and named.port == 443 else "http"
        told = said.get("X-Forwarded-Proto", "")
        self.scheme = told if self.believed and told in {"http", "https"} else own
        told = said.get("X-Forwarded-Port", "")
        self.port = told if self.believed and told.isdigit() else str(named.port if named else port)
        told = said.get("X-Forwarded-Host", "").partition(",")[0]
        self.host = told if self.believed and told and "/" not in told else HOST

    def _client(self) -> str:
        walks = self.mode.forwarded or (self.mode.real_ip and not self.mode.proxy)
        address = self.sender
        items = [item.strip() for item in self.said.get("X-Forwarded-For", "").split(",") if item]
        while walks and items and self.mode.trusts(address):
            item = items.pop()
            try:
                ipaddress.ip_address(item)
            except ValueError:
                break
            address = item
        return address

    @property
    def forwarded_for(self) -> str:
        if not (self.mode.forwarded and self.mode.full):
            return self.client
        chain = self.said.get("X-Forwarded-For", "")
        return f"{chain}, {self.sender}" if self.believed and chain else self.sender

    @property
    def is_listed(self) -> bool:
        return any(ipaddress.ip_address(self.client) in ipaddress.ip_network(n) for n in LISTED_NETWORKS)

    def headers(self) -> dict[str, list[str]]:
        def one(value: str | None) -> list[str]:
            return [value] if value else []

        return {
            "Host": [self.host],
            "X-Forwarded-Host": [self.host],
            "X-Forwarded-For": [self.forwarded_for],
            "X-Real-IP": [self.client],
            "X-Forwarded-Proto": [self.scheme],
            "X-Forwarded-Scheme": [self.scheme],
            "X-Scheme": [self.scheme],
            "X-Forwarded-Port": [self.port],
            "X-Original-Forwarded-For": one(self.said.get("X-Forwarded-For")),
            "X-Original-Forwarded-Host": one(self.said.get("X-Forwarded-Host")),
            "Forwarded": one(self.said.get("Forwarded") if self.believed else None),
        }


MODES = tuple(
    Mode(forwarded, real_ip, proxy, full, trusts_peer)
    for forwarded, real_ip, proxy, trusts_peer in itertools.product((False, True), repeat=4)
    for full in ((False, True) if forwarded and not real_ip else (False,))
)


@pytest.fixture(scope="module")
def backend(pool: Backends) -> Backend:
    return pool.one("trusting")


def ask(plane: DataPlane, preamble: Preamble | None, host: str, said: dict[str, str]) -> http.Response | None:
    """Give the answer; None if the connection was closed without one."""
    request = http.request_bytes("/", host=host, headers=list(said.items()))
    with http.Connection(plane.http) as connection, contextlib.suppress(OSError):
        connection.send((preamble.data if preamble else b"") + request)
        return connection.receive()
    return None


def differences(
    plane: DataPlane, mode: Mode, preamble: Preamble | None, said: dict[str, str]
) -> Iterator[str]:
    wanted = Expected(mode, preamble, said, plane.http)
    what = f"{preamble.name if preamble else 'no PROXY header'}, {said}"
    answer = ask(plane, preamble, HOST, said)
    if wanted.is_closed or answer is None:
        if (answer is None) != wanted.is_closed:
            yield f"{what}: {'closed' if answer is None else answer.status}"
        return
    got = {name: answer.echo.get(name) for name in wanted.headers()}
    if got != wanted.headers():
        yield f"{what}: {[(n, v, wanted.headers()[n]) for n, v in got.items() if v != wanted.headers()[n]]}"
    (request_id,) = answer.echo.get("X-Request-ID")
    if request_id != said.get("X-Request-ID", request_id):
        yield f"{what}: id {request_id}"
    listed = ask(plane, preamble, LISTED, said)
    if listed is None or listed.status != (200 if wanted.is_listed else 403):
        yield f"{what}: {wanted.client} {'is' if wanted.is_listed else 'is not'} on the list, got {listed}"


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_backends_and_lists_see_the_client_that_the_mode_says(backend: Backend, mode: Mode) -> None:
    """Each header exactly once; allow lists go by the same address."""
    preambles: tuple[Preamble | None, ...] = PREAMBLES if mode.proxy else (None,)
    with mode.plane(backend) as plane:
        found = [
            difference
            for preamble, said in itertools.product(preambles, SAID)
            for difference in differences(plane, mode, preamble, said)
        ]
        log = (plane.folder / "access.log").read_text()
    assert not found, f"{len(found)}:\n" + "\n".join(found[:8])
    if mode.proxy and mode.trusts_peer:
        assert f'"client":"{STRANGE}"' in log


@pytest.mark.parametrize("piece", [1, 3, 7, 1 << 16])
@pytest.mark.parametrize(
    "ahead", [b"", v1(STRANGE, 80).data, v2(STRANGE, 80).data], ids=["plain", "v1", "v2"]
)
def test_http2_is_told_from_http1_on_one_port_however_its_first_bytes_come(
    backend: Backend, ahead: bytes, piece: int
) -> None:
    """With prior knowledge, behind the PROXY protocol too (whose header comes in one piece); HTTP/1.1 beside it."""
    mode = Mode(proxy=bool(ahead))
    with mode.plane(backend) as plane:
        with http2.Connection(plane.http, ahead=ahead, piece=piece) as connection:
            echo: Echo = connection.ask("/", host=HOST).echo
        assert echo.get("X-Real-IP") == [STRANGE if ahead else PEER]
        with http.Connection(plane.http) as plain:
            plain.send(ahead)
            data = http.request_bytes("/", host=HOST)
            for at in range(0, len(data), piece):
                plain.send(data[at : at + piece])
            assert plain.receive().status == 200


@pytest.mark.parametrize("ahead", [v1(STRANGE, 443), v2("2001:db8::7", 443)], ids=["v1", "v2"])
def test_the_proxy_protocol_stands_before_tls(backend: Backend, ahead: Preamble) -> None:
    """For HTTP/2 by ALPN."""
    with (
        Mode(proxy=True).plane(backend) as plane,
        http2.Connection(
            plane.https, tls=certs.credulous(alpn=("h2",)), sni=HOST, ahead=ahead.data
        ) as connection,
    ):
        echo: Echo = connection.ask("/", host=HOST).echo
    assert echo.get("X-Forwarded-For") == [ahead.source]
    assert (echo.get("X-Forwarded-Proto"), echo.get("X-Forwarded-Port")) == (["https"], ["443"])
