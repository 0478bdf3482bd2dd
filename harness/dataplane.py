"""The data plane alone: real nginx with the real Lua side and a rendered configuration, fed with entries by the test.

What keeper and controller do in a gateway, the test does here by hand, over the same socket.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness import cpu, waiting
from tidegate.dataplane import install, render
from tidegate.model import (
    Backend,
    Delta,
    Endpoint,
    Entry,
    Host,
    NodeSettings,
    PathKind,
    Profile,
    Route,
    Rule,
    Settings,
    State,
    encode,
)

SETTINGS = Settings(
    {
        "ssl_redirect": True,
        "force_ssl_redirect": False,
        "http_redirect_code": 308,
        "no_tls_redirect_locations": ["/.well-known/acme-challenge"],
        "connect_timeout": 5,
        "send_timeout": 60,
        "read_timeout": 60,
        "tries": 3,
    }
)


def settings(**changed: object) -> Settings:
    """Give the usual global settings with some changed."""
    return Settings({**SETTINGS.values, **changed})


def simple(host: str, backend: str, endpoints: Collection[tuple[str, int]], **route: Any) -> dict[str, Entry]:
    """Give the entries of a host whose ``/`` leads to one backend; more arguments go to the route."""
    return {
        f"h/main/{host}": Host((Rule(PathKind.PREFIX, "/", f"ns/{host}/0"),)),
        f"r/ns/{host}/0": Route(
            "ns", host, backend, "80", **{"path": "/", "backend": f"ns/{backend}/80", **route}
        ),
        f"b/ns/{backend}/80": Backend(tuple(Endpoint(a, p) for a, p in endpoints)),
    }


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("keeper", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.path.relpath(self._path))


class DataPlane:
    """One nginx in an instance folder as the keeper makes it; ends and leaves nothing when the ``with`` block does."""

    def __init__(
        self,
        entries: Mapping[str, Entry] | None = None,
        *,
        profiles: Collection[Profile] = (),
        workers: int = 2,
        **node: Any,
    ) -> None:
        """Take what is in force from the start; ``node`` are fields of ``NodeSettings``."""
        self._temp = tempfile.TemporaryDirectory(prefix="tidegate-")
        self.state = Path(self._temp.name)
        self.folder = self.state / "nginx" / "1"
        self.http, self.https, self.status = waiting.free_ports(3)
        self.node = NodeSettings(
            http_port=self.http,
            https_port=self.https,
            status_port=self.status,
            bind_addresses=("127.0.0.1",),
            workers=workers,
            **{"access_log": "access.log", "worker_connections": 1024, **node},
        )
        self.profiles = profiles
        self.version = 1
        first = {"g": SETTINGS, "s/ready": State(value=True), **(entries or {})}
        self._first = Delta(1, 0, 0.0, {k: encode(v) for k, v in first.items()})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        installation = install.find()
        self.folder.mkdir(parents=True)
        if os.geteuid() == 0:
            # Workers run as another user and reach their temporary files through these folders.
            for folder in (self.state, self.state / "nginx", self.folder):
                folder.chmod(0o711)
        render.ensure_default_certificate(self.state)
        user = "www-data" if os.geteuid() == 0 else None
        rendered = render.render(self.node, self.profiles, installation, worker_user=user)
        render.write_files(self.state, rendered.files)
        (self.folder / "nginx.conf").write_text(rendered.text)
        (self.folder / "restore").write_bytes(self._first.to_bytes())
        with (self.folder / "error.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*installation.nginx_argv(), "-p", "./", "-c", "nginx.conf"],
                cwd=self.folder,
                stderr=log,
                stdout=log,
                start_new_session=True,
            )
        waiting.until(self._is_up, 30, why="start of nginx")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)
        self._temp.cleanup()

    @property
    def master(self) -> int:
        """Pid of the master."""
        assert self._process is not None
        return self._process.pid

    @property
    def workers(self) -> list[int]:
        """Pids of the workers."""
        return cpu.children(self.master)

    @property
    def errors(self) -> str:
        """The error log."""
        return (self.folder / "error.log").read_text(errors="replace")

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """Ask over push.sock; give status and decoded JSON."""
        status, answer = self.raw(method, path, body)
        return status, json.loads(answer)

    def raw(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Ask over push.sock; give status and body."""
        connection = _UnixConnection(self.folder / "push.sock")
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def send(self, changes: Mapping[str, Entry | None], *, base: int | None = None) -> tuple[int, Any]:
        """Push a delta and give the answer, whatever it is; a good one moves ``version`` on."""
        base = self.version if base is None else base
        raw = {k: None if v is None else encode(v) for k, v in changes.items()}
        status, answer = self.ask("POST", "/delta", Delta(base + 1, base, 0.0, raw).to_bytes())
        if status == 200:
            self.version = answer["version"]
        return status, answer

    def push(self, changes: Mapping[str, Entry | None]) -> None:
        """Push a delta that must be taken."""
        status, answer = self.send(changes)
        assert status == 200, answer

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise waiting.GaveUp(f"nginx ended with {self._process.returncode}:\n{self.errors}")
        try:
            status = self.ask("GET", "/status")[1]
        except OSError:
            return False
        return bool(len(status["reported"].get(status["generation"], {})) == status["workers"])
