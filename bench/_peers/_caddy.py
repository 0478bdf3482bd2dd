"""Caddy, configured through its admin socket; one Go processor.

Each change of a part is a new configuration of the whole inside Caddy. It has no hand-over: the restart starts a second one
on the same port (SO_REUSEPORT) and then ends the first.
"""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

from bench._peers._peer import Job, Peer, host
from harness import waiting

_ROUTES = "/config/apps/http/servers/web/routes"


class Caddy(Peer):
    """A route for each host."""

    program = "caddy"
    title = "Caddy"

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._epoch = 0

    def start(self) -> None:
        """Start it with all routes."""
        self._run([self._route(name, self.job.first) for name in self.job.hosts()])

    def add(self, name: str, instance: str) -> None:
        """Append a route."""
        self._admin("POST", _ROUTES, self._route(name, instance))

    def move(self, name: str, instance: str) -> None:
        """Replace the upstreams of one route."""
        self._admin("PATCH", f"/id/{name}/handle/0/upstreams", [{"dial": self.job.at(instance)}])

    def restart(self) -> None:
        """Start the next with the configuration in force, then end the last."""
        routes, old = self._admin("GET", _ROUTES), self._started[-1]
        self._epoch += 1
        self._run(json.loads(routes))
        old.terminate()
        self.retire(old)

    def _run(self, routes: list[dict[str, Any]]) -> None:
        server = {
            "listen": [f"127.0.0.1:{self.port}"], "routes": routes, "automatic_https": {"disable": True},
        }  # fmt: skip
        self.write("caddy.json", json.dumps({
            "admin": {"listen": f"unix/{self._socket}", "config": {"persist": False}},
            "logging": {"logs": {"default": {"level": "ERROR"}}},
            "apps": {"http": {"grace_period": "5s", "servers": {"web": server}}},
        }))  # fmt: skip
        home = {
            "HOME": str(self.folder),
            "XDG_DATA_HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder),
        }
        self.spawn("run", "--config", "caddy.json", env={"GOMAXPROCS": "1", **home})
        waiting.until(
            lambda: self._admin("GET", "/config/apps/http/grace_period"), 120, why="Caddy's admin socket"
        )

    def _route(self, name: str, instance: str) -> dict[str, Any]:
        proxy = {
            "handler": "reverse_proxy",
            "upstreams": [{"dial": self.job.at(instance)}],
            "transport": {"protocol": "http", "keep_alive": {"max_idle_conns_per_host": 320}},
        }
        return {"@id": name, "match": [{"host": [host(name)]}], "handle": [proxy], "terminal": True}

    @property
    def _socket(self) -> str:
        return f"{self.folder}/admin{self._epoch}.sock"

    def _admin(self, method: str, path: str, value: object = None) -> bytes:
        body = b"" if value is None else json.dumps(value).encode()
        connection = _Unix(self._socket)
        # Over a unix socket its protection against foreign origins wants an empty host.
        connection.request(method, path, body, {"Host": "", "Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {said[:300]!r}")
        return said


class _Unix(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self._path)
