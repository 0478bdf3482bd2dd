"""Traefik, configured by a folder of files that it watches; one Go processor.

Its delay between two configurations (2 s) is taken away. It has no hand-over: the restart starts a second one on the
same port (SO_REUSEPORT) and then ends the first. A new one listens before it knows its routes, and answers 404 till then.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

from bench._peers._peer import Peer, host
from harness import http, waiting


class Traefik(Peer):
    """A file for each application that comes."""

    program = "traefik"
    title = "Traefik"

    def start(self) -> None:
        """Write all routes into one file."""
        (self.folder / "dynamic").mkdir()
        self._write("all", [(name, self.job.first) for name in self.job.hosts()])
        self._run()

    def add(self, name: str, instance: str) -> None:
        """Write a file."""
        self._write(name, [(name, instance)])

    def move(self, name: str, instance: str) -> None:
        """Write it anew."""
        self._write(name, [(name, instance)])

    def restart(self) -> None:
        """Start the next, then end the last."""
        old = self._started[-1]
        self._run()
        old.terminate()
        self.retire(old)

    def _run(self) -> subprocess.Popen[bytes]:
        own = waiting.free_ports(1)[0]
        process = self.spawn(
            f"--entryPoints.web.address=127.0.0.1:{self.port}", "--entryPoints.web.reusePort=true",
            "--entryPoints.web.transport.lifeCycle.graceTimeOut=5s",
            f"--entryPoints.own.address=127.0.0.1:{own}", "--ping=true", "--ping.entryPoint=own",
            f"--providers.file.directory={self.folder}/dynamic", "--providers.file.watch=true",
            "--providers.providersThrottleDuration=1ms", "--log.level=ERROR",
            "--global.checkNewVersion=false", "--global.sendAnonymousUsage=false",
            env={"GOMAXPROCS": "1"},
        )  # fmt: skip
        waiting.until(lambda: http.get(own, "/ping").status == 200, 60, why="Traefik's ping")
        return process

    def _write(self, file: str, routes: Sequence[tuple[str, str]]) -> None:
        routers = {
            name: {"rule": f"Host(`{host(name)}`)", "service": name, "entryPoints": ["web"]}
            for name, _ in routes
        }
        services = {
            name: {"loadBalancer": {"servers": [{"url": f"http://{self.job.at(instance)}"}]}}
            for name, instance in routes
        }
        # JSON is YAML.
        self.write(f"dynamic/{file}.yml", json.dumps({"http": {"routers": routers, "services": services}}))
