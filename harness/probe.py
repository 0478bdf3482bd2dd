"""One lasting connection to each worker of a gateway, so that one can ask every worker by name.

The kernel spreads new connections over the workers; connections are opened until each worker has one. Which worker
holds a connection is told by the access log: the line of a request carries its id and the worker's pid.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from harness import http, waiting
from harness.gateway import Gateway

_ENOUGH = 400
"""Connections after which a worker that got none is given up."""


class Workers:
    """Asks each worker of a gateway; ``gateway`` must have an access log."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._ids = itertools.count()
        self._log = gateway.access_log.open()
        self._log.seek(0, os.SEEK_END)
        self._pending = ""
        self.connections: dict[int, http.Connection] = {}
        """Pid of a worker → connection."""

    def __enter__(self) -> Self:
        wanted, spare = set(self._gateway.workers), []
        for _ in range(_ENOUGH):
            connection = http.Connection(self._gateway.http_port)
            pid = self.pid_of(connection)
            if pid in self.connections or pid not in wanted:
                spare.append(connection)
            else:
                self.connections[pid] = connection
            if self.connections.keys() == wanted:
                break
        for connection in spare:
            connection.close()
        if self.connections.keys() != wanted:
            raise RuntimeError(f"workers {wanted - self.connections.keys()} take no connection")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        for connection in self.connections.values():
            connection.close()
        self._log.close()

    def ask(self, host: str, path: str = "/") -> Mapping[int, http.Response]:
        """Ask every worker once."""
        return {pid: c.ask(path, host=host) for pid, c in self.connections.items()}

    def pid_of(self, connection: http.Connection) -> int:
        """Tell which worker holds a connection."""
        mark = f"probe-{os.getpid()}-{next(self._ids)}"
        connection.ask("/", host="probe.invalid", headers=[("X-Request-ID", mark)])
        return waiting.until(lambda: self._pid_in_log(mark), 5, 0.001, why=f"a log line with id {mark}")

    def _pid_in_log(self, mark: str) -> int | None:
        self._pending += self._log.read()
        lines = self._pending.split("\n")
        self._pending = lines.pop()
        for line in lines:
            if mark in line and (entry := json.loads(line))["request_id"] == mark:
                return int(entry["pid"])
        return None
