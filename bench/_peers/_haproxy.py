"""HAProxy: a map from host to backend, and its runtime API for every change, so that none needs a reload.

Backends cannot be made at run time, so spare ones stand ready, as its own ingress controller keeps spare servers. The
restart is a reload of the master: a new worker takes over the listening sockets.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess

from bench._peers._peer import Peer, host
from harness import cpu, peers, waiting

SPARE = 400

_CONFIG = """
global
    nbthread 1
    maxconn 8192
    hard-stop-after 10s
    stats socket {folder}/admin.sock mode 600 level admin expose-fd listeners
defaults
    mode http
    timeout connect 5s
    timeout client 75s
    timeout server 60s
    timeout http-keep-alive 75s
    http-reuse always
    option redispatch
    retries 2
frontend web
    bind 127.0.0.1:{port} backlog 4096
    unique-id-format %[uuid()]
    http-request set-header X-Request-ID %[unique-id]
    http-request set-header X-Real-IP %[src]
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[dst_port]
    http-request set-header X-Forwarded-Proto http
    use_backend %[req.hdr(host),field(1,:),lower,map_str({folder}/hosts.map)]
"""


class HAProxy(Peer):
    """One worker under a master."""

    program = "haproxy"
    title = "HAProxy"

    def start(self) -> None:
        """Give every application a backend, and start master and worker."""
        hosts = self.job.hosts()
        self._spare = iter(f"spare{i}" for i in range(SPARE))
        self._of: dict[str, str] = {}
        self.write("hosts.map", "".join(f"{host(name)} {name}\n" for name in hosts))
        backends = [f"backend {name}\n    server s {self.job.at(self.job.first)}\n" for name in hosts]
        backends += [f"backend spare{i}\n    server s 127.0.0.1:1 disabled\n" for i in range(SPARE)]
        self.write("haproxy.cfg", _CONFIG.format(folder=self.folder, port=self.port) + "".join(backends))
        # The master runs itself again by its own name, and has to find its loader then.
        loader, *words, program = peers.command(self.program)
        wrapper = self.write(
            "haproxy",
            f'#!/bin/sh\nexec {loader} {" ".join(words)} --argv0 {self.folder}/haproxy {program} "$@"\n',
        )
        wrapper.chmod(0o755)
        self._master = self.spawn("-W", "-f", "haproxy.cfg", "-p", "pid", argv=[str(wrapper)])

    def pids(self) -> list[int]:
        """Give the workers."""
        return cpu.children(self._master.pid)

    def everything(self) -> list[int]:
        """Give the master too."""
        return cpu.family(self._master.pid)

    def add(self, name: str, instance: str) -> None:
        """Take a spare backend."""
        self._of[name] = next(self._spare)
        self.move(name, instance)
        self._say(
            f"set server {self._of[name]}/s state ready",
            f"add map {self.folder}/hosts.map {host(name)} {self._of[name]}",
        )

    def move(self, name: str, instance: str) -> None:
        """Give the server another address."""
        address, port = self.job.instances[instance]
        self._say(f"set server {self._of[name]}/s addr {address} port {port}")

    def restart(self) -> None:
        """Reload; done when only the new worker is left."""
        before = set(self.pids())
        os.kill(self._master.pid, signal.SIGUSR2)
        waiting.until(lambda: set(self.pids()) - before, 30, why="HAProxy's new worker")
        waiting.until(lambda: not set(self.pids()) & before, 30, why="the end of HAProxy's old worker")

    def _say(self, *commands: str) -> None:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(f"{self.folder}/admin.sock")
            s.sendall((";".join(commands) + "\n").encode())
            answer = b"".join(iter(lambda: s.recv(4096), b"")).decode().strip()
        if "unknown" in answer.lower() or "no such" in answer.lower():
            raise RuntimeError(f"{commands}: {answer}")

    def _end(self) -> None:
        if self._started and self._started[0].poll() is None:
            self._started[0].terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._started[0].wait(1)
        super()._end()
