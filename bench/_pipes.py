"""Load for connections that a proxy only passes on: raw sockets, so that nothing but the proxy costs much.

A client sends a ClientHello, as real ones look; the source behind the proxy reads it and answers with a flood of bytes. No
side does any cryptography: what is passed through is opaque to the proxy anyway.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bench._rounds import WORKER_CORE
from harness import certs, cpu

CHUNK = 1024 * 1024
"""Bytes that source and client move at once."""


def client_hello(name: str) -> bytes:
    """Give the first bytes of a client that asks for a server name."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = certs.credulous().wrap_bio(into, out, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise RuntimeError("a handshake without an answer")


class Source:
    """Answers the first bytes of each connection with so many bytes, then closes it."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._sock = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port: int = self._sock.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._sock.accept()
            except OSError:
                return
            if self._count > CHUNK:
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
            else:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        block = memoryview(bytes(min(CHUNK, self._count)))
        with connection:
            try:
                connection.recv(65536)
                for at in range(0, self._count, CHUNK):
                    connection.sendall(block[: self._count - at])
            except OSError:
                return


@dataclass(frozen=True, slots=True)
class Load:
    """What one round of a set-up cost."""

    seconds: float
    used: float
    """CPU seconds of the workers."""
    foreign: float
    """Share of the worker's core that something else used."""


def load(port: int, workers: list[int], hello: bytes, *, connections: int, expected: int) -> Load:
    """Make connections one after the other, read all of each, and give the cost."""
    buffer = bytearray(CHUNK)
    before, busy, begin = cpu.read(workers), cpu.core_busy(WORKER_CORE), time.monotonic()
    for _ in range(connections):
        got = 0
        with socket.create_connection(("127.0.0.1", port), 30) as client:
            client.sendall(hello)
            while n := client.recv_into(buffer):
                got += n
        if got != expected:
            raise RuntimeError(f"{got} bytes of {expected} came through")
    seconds = time.monotonic() - begin
    used = cpu.read(workers).since(before).total
    foreign = max(cpu.core_busy(WORKER_CORE) - busy - used, 0) / seconds
    return Load(seconds, used, foreign)
