"""A gateway node of one's own: a real keeper with a real nginx, in a folder that goes away with the test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tidegate.dataplane.install import find
from tidegate.dataplane.push import KeeperClient, ensure_keeper
from tidegate.dataplane.render import Rendered
from tidegate.model import Cause, Delta

HERE = Path(__file__).parent


def free_port() -> int:
    """Give a port on which nobody listens."""
    while True:
        # Not one that the kernel gives to outgoing connections, or one of those could have it by the time it is used.
        port = random.randrange(12_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Answer(NamedTuple):
    """What a client got."""

    body: str
    pid: int
    draining: bool


class Node:
    """A state folder, its keeper, and the nginx behind it."""

    def __init__(self, state: Path) -> None:
        """Nothing runs yet."""
        self.state = state
        self.ports = [free_port()]
        self.client = KeeperClient(state)
        self.version = 0

    # --- the control side -----------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Start or adopt the keeper."""
        await self.client.close()
        self.client = await ensure_keeper(self.state)

    def conf(
        self, generation: str, *, workers: int = 2, memory: str = "4m", extra: str = "", entries: bool = True
    ) -> Rendered:
        """Give a configuration; `extra` stands in the server block of clients."""
        installation = find()
        listen = " ".join(f"listen 127.0.0.1:{port};" for port in self.ports)
        names = ["delta", "status", "draining", "counters", *(["entries"] if entries else [])]
        internal = " ".join(
            f"location = /{name} {{ content_by_lua_block {{ node.{name}() }} }}" for name in names
        )
        text = "\n".join(
            (
                "daemon off;",
                f"user {'nobody' if os.getuid() == 0 else ''} nogroup;" if os.getuid() == 0 else "",
                f"worker_processes {workers};",
                "worker_shutdown_timeout 20s;",
                "pid nginx.pid;",
                "error_log stderr notice;",
                *installation.module_lines(),
                "events { worker_connections 256; }",
                "http {",
                "access_log off;",
                "client_body_in_single_buffer on; client_body_buffer_size 1m; client_max_body_size 0;",
                *(f"{n}_temp_path temp-{n};" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")),
                f'lua_package_path "{HERE}/?.lua;{installation.lua_path}";',
                f'lua_package_cpath "{installation.lua_cpath}";',
                f"lua_shared_dict store {memory};",
                "lua_shared_dict control 1m;",
                f'init_by_lua_block {{ node = require "node"; node.master("{generation}") }}',
                "init_worker_by_lua_block { node.worker() }",
                f"server {{ {listen} {extra} location / {{ content_by_lua_block {{ node.answer() }} }} }}",
                f"server {{ listen unix:push.sock; {internal} }}",
                "}",
                "",
            )
        )
        listeners = tuple(("127.0.0.1", port) for port in self.ports)
        return Rendered(text, generation, {"p1": 0}, listeners, workers)

    async def push(self, changes: Mapping[str, bytes | None]) -> None:
        """Push changes on top of what was pushed last."""
        delta = Delta(self.version + 1, self.version, time.time(), changes, (Cause("Test a/b"),))
        await self.client.push(delta)
        self.version += 1

    async def until(self, what: Callable[[], bool], seconds: float = 15) -> None:
        """Wait until something is so."""
        for _ in range(int(seconds / 0.02)):
            if what():
                return
            await asyncio.sleep(0.02)
        raise AssertionError("it did not become so")

    # --- the clients' side ----------------------------------------------------------------------------------

    async def get(self, key: str = "r/x", *, seconds: float = 0, port: int = 0) -> Answer:
        """Ask nginx for the value of an entry, on a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.ports[0])
        try:
            writer.write(
                f"GET /?key={key}&seconds={seconds} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
            )
            head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
            if not head.startswith("HTTP/1.1 200"):
                raise AssertionError(f"answered {head!r}")
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
            if fields.get("Transfer-Encoding") == "chunked":
                body = body.split("\r\n")[1]
            return Answer(body, int(fields["pid"]), "draining" in fields)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    # --- processes ------------------------------------------------------------------------------------------

    def processes(self) -> list[psutil.Process]:
        """Give all nginx processes of this node."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if Path(process.cwd()).parent == self.state / "nginx":
                    found.append(process)
        return found

    async def kill_keeper(self) -> None:
        """Kill the keeper as a crash would."""
        pid = (await self.client.status()).keeper
        os.kill(pid, signal.SIGKILL)
        await self.until(lambda: not lives(pid))

    def log(self) -> str:
        """Give the keeper's log."""
        return (self.state / "keeper.log").read_text()

    async def end(self) -> None:
        """End everything, however it is."""
        with contextlib.suppress(Exception):
            pid = (await self.client.status()).keeper
            os.kill(pid, signal.SIGKILL)
        await self.client.close()
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()


def lives(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


@pytest.fixture
async def empty_node(tmp_path: Path) -> AsyncIterator[Node]:
    """Give a node whose keeper does not run yet."""
    node = Node(tmp_path / "state")
    yield node
    await node.end()


@pytest.fixture
async def node(empty_node: Node) -> Node:
    """Give a node that serves generation ``one`` with one entry, on two workers."""
    await empty_node.begin()
    await empty_node.client.configure(empty_node.conf("one"))
    await empty_node.push({"r/x": b"first", "o/Ingress/a/b": b"{}"})
    return empty_node
