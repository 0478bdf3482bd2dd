"""The sockets on which the exporter answers: one in the folder of each nginx, where workers can reach it.

Workers run as another user and cannot enter the state folder; their own folder is where they stand.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from pathlib import Path
from typing import Final

from tidegate.dataplane.keeper.paths import short
from tidegate.observe.metrics._exporter import Exporter
from tidegate.observe.metrics._text import plain

NAME: Final = "metrics.sock"

_TICK_SECONDS: Final = 1.0
_CLIENT_SECONDS: Final = 10.0
_MOST_HEAD: Final = 64 * 1024
_CONTENT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Server:
    """Answers until the one who started it ends."""

    def __init__(self, exporter: Exporter) -> None:
        """Open nothing yet."""
        self._exporter = exporter
        self._selector = selectors.DefaultSelector()
        self._sockets: dict[Path, socket.socket] = {}
        self._lock = threading.Lock()

    def run(self, until: int) -> None:
        """Answer until the pipe `until` ends."""
        self._selector.register(until, selectors.EVENT_READ)
        due = 0.0
        while True:
            if time.monotonic() >= due:
                self._listen_everywhere()
                with self._lock:
                    self._exporter.tick()
                due = time.monotonic() + _TICK_SECONDS
            for key, _ in self._selector.select(max(0.0, due - time.monotonic())):
                if key.fileobj == until:
                    if not os.read(until, 1024):
                        return
                elif isinstance(key.fileobj, socket.socket):
                    self._accept(key.fileobj)

    def close(self) -> None:
        """Close the sockets."""
        for folder in list(self._sockets):
            self._leave(folder)

    def _listen_everywhere(self) -> None:
        state = self._exporter.state
        folders = set()
        with contextlib.suppress(OSError):
            folders = {state.instance(number) for number in state.instances()}
        for folder in set(self._sockets) - folders:
            self._leave(folder)
        for folder in folders - set(self._sockets):
            # It may be gone again, or its disk full; the next round tries again.
            with contextlib.suppress(OSError):
                self._sockets[folder] = _listening(folder / NAME)
                self._selector.register(self._sockets[folder], selectors.EVENT_READ)

    def _leave(self, folder: Path) -> None:
        listening = self._sockets.pop(folder)
        with contextlib.suppress(KeyError):
            self._selector.unregister(listening)
        listening.close()

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            client = listening.accept()[0]
            client.settimeout(_CLIENT_SECONDS)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = _head_of(client)
            if not head:
                return
            with self._lock:
                members = self._exporter.scrape()
            is_packed = _takes_gzip(head)
            fields = ["HTTP/1.0 200 OK", f"Content-Type: {_CONTENT}", "Vary: Accept-Encoding"]
            if is_packed:
                fields += ["Content-Encoding: gzip", f"Content-Length: {sum(map(len, members))}"]
            client.sendall(("\r\n".join(fields) + "\r\n\r\n").encode())
            if is_packed:
                client.sendall(b"".join(members))
            else:
                for member in members:
                    client.sendall(plain(member))


def _listening(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.settimeout(_CLIENT_SECONDS)
    try:
        with short(path) as name:
            listening.bind(name)
        path.chmod(0o666)
        listening.listen(16)
    except BaseException:
        listening.close()
        raise
    return listening


def _head_of(client: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        data = client.recv(4096)
        head += data
        if not data or len(head) > _MOST_HEAD:
            return b""
    return head


def _takes_gzip(head: bytes) -> bool:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"accept-encoding":
            return b"gzip" in value and b"gzip;q=0" not in value.replace(b" ", b"")
    return False
