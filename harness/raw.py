"""Backends and clients below HTTP: TCP, UDP and TLS, byte by byte.

A backend says its name as soon as a connection is made (or, for UDP, before each answer), then sends back what it gets;
a TLS backend does so inside TLS. What came first on each connection is kept, so that PROXY headers can be looked at.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from harness.certs import Pair

_TIMEOUT = 10.0


@dataclass
class Raw:
    """One backend."""

    name: str
    address: str
    port: int
    sock: socket.socket
    proxied: list[bytes] = field(default_factory=list)
    """The PROXY header of each connection, for backends that expect one."""


class RawBackends:
    """Backends in threads; ends them all when the ``with`` block does."""

    def __init__(self) -> None:
        self._all: list[Raw] = []
        self._next = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        for each in self._all:
            self.close(each)

    def tcp(self, name: str, *, port: int = 0, proxied: bool = False, tls: Pair | None = None) -> Raw:
        """Start a TCP backend on a loopback address of its own; ``proxied``: connections begin with a PROXY header."""
        context = server_context(tls) if tls else None
        sock = socket.create_server((self._address(), port), backlog=1024)
        raw = self._keep(name, sock)

        def accept() -> None:
            while True:
                try:
                    connection, _ = sock.accept()
                except OSError:
                    return
                _thread(lambda c: _serve(raw, c, context, proxied=proxied), connection)

        _thread(lambda _: accept(), None)
        return raw

    def udp(self, name: str, *, answers: int = 1) -> Raw:
        """Start a UDP backend that answers each datagram with so many."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((self._address(), 0))
        raw = self._keep(name, sock)

        def answer() -> None:
            while True:
                try:
                    data, peer = sock.recvfrom(65536)
                    if peer is None:  # shut down
                        return
                    for n in range(answers):
                        sock.sendto(f"{name} {n} ".encode() + data, peer)
                except OSError:
                    return

        _thread(lambda _: answer(), None)
        return raw

    def close(self, raw: Raw) -> None:
        """Stop a backend: new connections are refused, as if the process had died."""
        with contextlib.suppress(OSError):
            raw.sock.shutdown(socket.SHUT_RDWR)
        raw.sock.close()

    def _address(self) -> str:
        self._next += 1
        return f"127.1.{self._next // 250}.{1 + self._next % 250}"

    def _keep(self, name: str, sock: socket.socket) -> Raw:
        address, port = sock.getsockname()
        raw = Raw(name, address, port, sock)
        self._all.append(raw)
        return raw


def _thread(work: object, argument: object) -> None:
    threading.Thread(target=work, args=(argument,), daemon=True).start()  # type: ignore[arg-type]


def server_context(pair: Pair) -> ssl.SSLContext:
    """Give the context of a server with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pair.chain + pair.key)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _serve(raw: Raw, plain: socket.socket, context: ssl.SSLContext | None, *, proxied: bool) -> None:
    with plain, contextlib.suppress(OSError):
        if proxied:
            head = b""
            while not head.endswith(b"\r\n"):
                head += plain.recv(1)
            raw.proxied.append(head)
        with context.wrap_socket(plain, server_side=True) if context else plain as connection:
            connection.sendall(raw.name.encode() + b"\n")
            while data := connection.recv(65536):
                connection.sendall(data)


# --- clients --------------------------------------------------------------------------------------------------------


class Client:
    """One connection, which has read the backend's name; an empty name: it was closed at once."""

    def __init__(
        self,
        port: int,
        *,
        first: bytes = b"",
        tls: ssl.SSLContext | None = None,
        sni: str | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        """Connect, send what comes first, and read the name. Raises ``OSError``."""
        self.sock: socket.socket = socket.create_connection((address, port), _TIMEOUT)
        try:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if first:
                self.sock.sendall(first)
            if tls is not None:
                self.sock = tls.wrap_socket(self.sock, server_hostname=sni)
            self.name = self._line()
        except BaseException:
            self.sock.close()
            raise

    def _line(self) -> str:
        got = b""
        while not got.endswith(b"\n") and (byte := self.sock.recv(1)):
            got += byte
        return got.decode().strip()

    def ask(self, data: bytes) -> bytes:
        """Send bytes and read as many back; fewer if the connection ends."""
        self.sock.sendall(data)
        got = b""
        while len(got) < len(data) and (part := self.sock.recv(65536)):
            got += part
        return got

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.sock.close()


def name_at(port: int, **options: object) -> str:
    """Give the name of the backend that a new connection reaches; empty if it is closed, or cannot be made."""
    try:
        with Client(port, **options) as client:  # type: ignore[arg-type]
            return client.name
    except OSError:
        return ""


def datagrams(port: int, data: bytes, count: int = 1, timeout: float = 5.0) -> list[bytes]:
    """Send one datagram and give up to ``count`` answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.connect(("127.0.0.1", port))
        sock.send(data)
        got: list[bytes] = []
        with contextlib.suppress(OSError):
            while len(got) < count:
                got.append(sock.recv(65536))
        return got
