"""Plain nginx from a text of configuration: the thing to compare with, and the fast backend."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from harness import cpu, programs, waiting

_OURS = re.compile(
    r"^\s*(daemon|worker_processes|worker_cpu_affinity|pid|master_process)\s[^;]*;", re.MULTILINE
)
_HTTP = re.compile(r"^\s*http\s*{", re.MULTILINE)
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_LISTEN = re.compile(r"^\s*listen\s+(?:\S*?:)?(\d+)([^;]*);", re.MULTILINE)


class Nginx:
    """One nginx with its own folder; ends and leaves nothing when the ``with`` block does.

    ``daemon``, ``pid`` and the number of workers are this class's own: lines that say otherwise are taken
    out.
    """

    def __init__(
        self,
        text: str,
        *,
        prefix: Path | None = None,
        workers: int = 1,
        cores: set[int] | None = None,
        argv: list[str] | None = None,
    ) -> None:
        """Take the text; its relative paths start from ``prefix``, or from a temporary folder."""
        self._folder = tempfile.TemporaryDirectory(prefix="tidegate-nginx-")
        self.folder = Path(self._folder.name)
        self._argv = argv or programs.nginx()
        self._prefix = prefix or self.folder
        self._cores = cores
        own = f"daemon off;\nworker_processes {workers};\npid {self.folder}/nginx.pid;\n"
        # The binary's own folders for temporary files are of another system.
        absent = (name for name in _TEMPORARY if f"{name}_temp_path" not in text)
        temp = "\n".join(f"{name}_temp_path {self.folder}/{name};" for name in absent)
        self.text = own + _HTTP.sub(rf"\g<0>\n{temp}", _OURS.sub("", text), count=1)
        self.workers_wanted = workers
        self._process: subprocess.Popen[bytes] | None = None

    def ports(self) -> list[tuple[int, bool]]:
        """Give the TCP ports on which it listens, in the order of the text, and whether each speaks TLS."""
        return [(int(port), " ssl" in options) for port, options in _LISTEN.findall(self.text)]

    @property
    def master(self) -> int:
        """Pid of the master."""
        assert self._process is not None
        return self._process.pid

    @property
    def workers(self) -> list[int]:
        """Pids of the workers (of every generation that still lives)."""
        return cpu.children(self.master)

    @property
    def error_log(self) -> str:
        """What it has complained about."""
        path = self.folder / "error.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def reload(self) -> None:
        """Tell it to reload (HUP)."""
        os.kill(self.master, signal.SIGHUP)

    def __enter__(self) -> Self:
        conf = self.folder / "nginx.conf"
        conf.write_text(self.text)
        self._process = subprocess.Popen(
            [*self._argv, "-p", f"{self._prefix}/", "-c", str(conf), "-e", str(self.folder / "error.log")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if self._cores:
            cpu.pin([self._process.pid], self._cores)
        try:
            waiting.until(self._is_up, 30, why="nginx start")
        except BaseException as e:
            log = self.error_log
            self._end()
            raise RuntimeError(f"nginx did not start; its error log:\n{log}") from e
        if self._cores:
            cpu.pin(self.workers, self._cores)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._end()

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise waiting.GaveUp(f"nginx ended with {self._process.returncode}")
        return (self.folder / "nginx.pid").exists() and len(self.workers) >= self.workers_wanted

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._folder.cleanup()


_BACKENDS = """
error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 3600;
    client_max_body_size 0;
    default_type text/plain;
    {servers}
}}
"""

_BACKEND = """
    server {{
        listen {address} backlog=4096 reuseport;
        location / {{ add_header X-Backend "{name}"; return 200 "{body}"; }}
    }}
"""


def fast_backend(port: int, *, size: int = 1024, cores: set[int] | None = None) -> Nginx:
    """Give a backend that answers anything with 200 and a body of ``size`` bytes, as cheaply as can be."""
    return fast_backends({"fast": f"127.0.0.1:{port}"}, size=size, cores=cores)


def fast_backends(named: Mapping[str, str], *, size: int = 1024, cores: set[int] | None = None) -> Nginx:
    """Give several such backends, name → address and port; each says its name in ``X-Backend``."""
    servers = (_BACKEND.format(address=a, name=n, body="x" * size) for n, a in named.items())
    return Nginx(_BACKENDS.format(servers="".join(servers)), cores=cores)
