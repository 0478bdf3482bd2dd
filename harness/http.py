"""A client that sends exactly what it is told and returns exactly what came."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import msgspec
from cryptography import x509

from harness import _http1
from harness.backends import Echo


class NoAnswer(ConnectionError):
    """The connection ended before a whole answer had come."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def get(self, name: str) -> str | None:
        """Give the first value of a header, or None."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    @property
    def backend(self) -> str | None:
        """Name of the instance that answered; None if none of the harness's did."""
        return self.get("X-Backend")

    @property
    def echo(self) -> Echo:
        """What the instance says that it received."""
        return msgspec.json.decode(self.body, type=Echo)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")


class Connection:
    """One connection; HTTP/1.1."""

    def __init__(
        self, port: int, *, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None, sni: str | None =
        None, session: ssl.SSLSession | None = None, timeout: float = 10,
    ) -> None:  # fmt: skip
        self._socket: socket.socket = socket.create_connection((address, port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname=sni, session=session)
        self._reader = _http1.Reader(until_close=True)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def receive(self, *, head_only: bool = False) -> Response:
        """Read one answer (interim ones are skipped). Raises ``NoAnswer`` if the connection ends before."""
        self._reader.head_only = head_only
        while True:
            data = self._socket.recv(1 << 16)
            whole = self._reader.feed(data) if data else [m for m in [self._reader.finish()] if m]
            for message in whole:
                status = int(message.first[1])
                if status >= 200 or status == 101:
                    return Response(status, message.headers, message.body)
            if not data:
                raise NoAnswer(f"closed after {bytes(self._reader.data)[:200]!r}")

    def read(self, count: int = 1 << 16) -> bytes:
        """Read raw bytes (after an upgrade)."""
        return self._socket.recv(count)

    def ask(
        self,
        path: str = "/",
        *,
        host: str | None = "localhost",
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Response:
        """Send a request and read its answer."""
        self.send(request_bytes(path, host=host, method=method, headers=list(headers), body=body))
        return self.receive(head_only=method == "HEAD")

    def certificate(self) -> x509.Certificate:
        """Give the certificate that the server has shown."""
        assert isinstance(self._socket, ssl.SSLSocket)
        der = self._socket.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der)

    @property
    def session(self) -> ssl.SSLSession | None:
        """The TLS session, for another connection to resume; with TLS 1.3 known once an answer was read."""
        assert isinstance(self._socket, ssl.SSLSocket)
        return self._socket.session

    @property
    def resumed(self) -> bool:
        """Tell whether the server took up an earlier session."""
        assert isinstance(self._socket, ssl.SSLSocket)
        return bool(self._socket.session_reused)

    @property
    def cipher(self) -> str:
        """The cipher in use."""
        assert isinstance(self._socket, ssl.SSLSocket)
        chosen = self._socket.cipher()
        return chosen[0] if chosen else ""

    @property
    def protocol(self) -> str | None:
        """The protocol that ALPN chose."""
        assert isinstance(self._socket, ssl.SSLSocket)
        return self._socket.selected_alpn_protocol()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


def request_bytes(
    path: str,
    *,
    host: str | None,
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
) -> bytes:
    """Give a request as bytes; ``Host`` and ``Content-Length`` are added where needed."""
    lines = [f"{method} {path} HTTP/1.1"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{n}: {v}" for n, v in headers]
    named = {n.lower() for n, _ in headers}
    if (body or method in {"POST", "PUT", "PATCH"}) and not named & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8") + body


def get(
    port: int,
    path: str = "/",
    *,
    host: str | None = "localhost",
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    tls: ssl.SSLContext | None = None,
    sni: str | None = None,
    timeout: float = 10,
) -> Response:
    """Send one request on a connection of its own; the server name is ``sni``, or the host."""
    name = sni or (host.partition(":")[0] if tls and host else None)
    with Connection(port, tls=tls, sni=name, timeout=timeout) as connection:
        return connection.ask(path, host=host, method=method, headers=headers, body=body)
