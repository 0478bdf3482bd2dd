"""What each gateway must be able to do, and its processes: one core, one worker thread, a folder that goes in the end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from bench import _rounds
from harness import cpu, http, peers, waiting

HOT = "hot"
"""The first label of the host that is asked where one is enough; its route stands in the middle of all."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be served: hosts, each with an application of its own that has one endpoint."""

    routes: int
    instances: Mapping[str, tuple[str, int]]
    """Name → address and port."""

    def hosts(self) -> list[str]:
        """Give all first labels, the hot one in the middle."""
        names = [f"h{i}" for i in range(self.routes)]
        names[self.routes // 2] = HOT
        return names

    @property
    def first(self) -> str:
        """Name of the instance that all routes lead to."""
        return next(iter(self.instances))

    def at(self, instance: str) -> str:
        """Give an instance's address with its port."""
        address, port = self.instances[instance]
        return f"{address}:{port}"


def host(name: str) -> str:
    """Give the host of a first label."""
    return f"{name}.peers.example"


class Peer(ABC):
    """One gateway; serves its job while the ``with`` block lasts."""

    program: ClassVar[str] = ""
    title: ClassVar[str]

    def __init__(self, job: Job) -> None:
        self.job = job
        self.port = waiting.free_ports(1)[0]
        self.folder = Path(tempfile.mkdtemp(prefix="tidegate-peer-"))
        self._started: list[subprocess.Popen[bytes]] = []

    # --- what each does in its own way -------------------------------------------------------------------------

    @abstractmethod
    def start(self) -> None:
        """Configure it and start it."""

    @abstractmethod
    def add(self, name: str, instance: str) -> None:
        """Have it serve one more host with an application of its own."""

    @abstractmethod
    def move(self, name: str, instance: str) -> None:
        """Let the application of a host that `add` made have this endpoint instead of its last one."""

    @abstractmethod
    def restart(self) -> None:
        """Replace the process that serves by a new one, losing as little as this gateway can."""

    # --- alike ------------------------------------------------------------------------------------------------------

    def version(self) -> str:
        """Give the version that it says of itself."""
        return peers.version(self.program)

    def pids(self) -> list[int]:
        """Give the processes that carry requests."""
        return [p.pid for p in self._started if p.poll() is None]

    def everything(self) -> list[int]:
        """Give the processes whose memory it needs to do its job."""
        return self.pids()

    def ask(self, name: str) -> http.Response:
        """Send one request on a connection of its own. Raises `waiting.GaveUp` if nothing of it runs any more."""
        if self._started and not any(p.poll() is None for p in self._started):
            raise waiting.GaveUp(f"{self.title} has ended")
        return http.get(self.port, host=host(name))

    def wait(self, name: str, instance: str, timeout: float = 60) -> None:
        """Wait until an instance answers for a host."""
        waiting.until(
            lambda: self.ask(name).backend == instance,
            timeout,
            0.01,
            why=f"{self.title}: {name} → {instance}",
        )

    def spawn(
        self, *more: str, argv: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process on the core of the measured; its output goes to a file."""
        command = list(argv) or peers.command(self.program)
        with (self.folder / "log").open("ab") as log:
            made = subprocess.Popen(
                ["taskset", "-c", str(_rounds.WORKER_CORE), *command, *more],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, env={**os.environ, **(env or {})},
                start_new_session=True,
            )  # fmt: skip
        self._started.append(made)
        return made

    def write(self, name: str, text: str) -> Path:
        """Put a text into a file of its folder, in one step."""
        target = self.folder / name
        aside = self.folder / f".{target.name}"
        aside.write_text(text)
        return aside.rename(target)

    def retire(self, old: subprocess.Popen[bytes]) -> None:
        """Wait until a process that was told to end has ended."""
        try:
            old.wait(20)
        except subprocess.TimeoutExpired:
            old.kill()
            old.wait()
        self._started.remove(old)

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait(HOT, self.job.first, 120)
        except BaseException as e:
            e.add_note(self._log())
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        if e is not None:
            e.add_note(self._log())
        self._end()

    def _log(self) -> str:
        log = self.folder / "log"
        return f"--- {self.title} ---\n{log.read_text(errors='replace')[-3000:] if log.exists() else ''}"

    def _end(self) -> None:
        families = [pid for p in self._started if p.poll() is None for pid in cpu.family(p.pid)]
        for pid in families:
            _send(pid, signal.SIGKILL)
        for process in self._started:
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _send(pid: int, sent: signal.Signals) -> None:
    try:
        os.kill(pid, sent)
    except ProcessLookupError:
        return
