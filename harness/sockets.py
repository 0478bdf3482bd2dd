"""Connections that are held: WebSockets, as far as a proxy sees them, and streams of events."""

from __future__ import annotations

import socket
from typing import Self


class Held:
    """One upgraded connection to a backend that sends every byte back."""

    def __init__(self, port: int, host: str, timeout: float = 5) -> None:
        """Connect and upgrade. Raises ``ConnectionError`` if that is refused."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            data = self._socket.recv(4096)
            if not data:
                raise ConnectionError("closed instead of upgraded")
            head += data
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(f"not upgraded: {head[:80]!r}")

    def is_alive(self) -> bool:
        """Send some bytes, and tell whether they come back."""
        try:
            self._socket.sendall(b"ping")
            return self._socket.recv(4096) == b"ping"
        except OSError:
            return False

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
