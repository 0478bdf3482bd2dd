"""A real gateway on a temporary folder and free ports.

``with Gateway(objects…) as gateway:`` writes the objects into its folder, starts ``tidegate run`` and waits until it is
ready. Whatever happens, at the end no process and no file of it is left; if the block fails, the logs are attached to
the exception as notes.
"""

from __future__ import annotations

import itertools
import os
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness import cpu, http, keeper, manifests, programs, waiting
from harness.folder import Folder
from harness.manifests import Manifest

START_TIMEOUT = 60.0
"""Seconds; generous, because machines that test are busy."""

LOG_TAIL = 6000
"""Characters of each log that a failure shows."""


class Gateway:
    """One gateway: its controller is a child process, its keeper and nginx live on their own."""

    def __init__(
        self,
        objects: Iterable[Manifest] = (),
        *,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        access_log: bool = True,
        start_timeout: float = START_TIMEOUT,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="tidegate-test-")
        self.root = Path(self._temporary.name)
        self.state_dir = self.root / "state"
        self.folder = Folder(folder or self.root / "manifests")
        self.http_port, self.https_port, self.status_port = waiting.free_ports(3)
        self.access_log = self.root / "access.log"
        self._log = self.root / "controller.log"
        self._args = [*(["--access-log", str(self.access_log)] if access_log else []), *args]
        self._env = _environment(env or {})
        self._timeout = start_timeout
        self._files = itertools.count()
        self.process: subprocess.Popen[bytes] | None = None
        if objects := list(objects):
            self.folder.write("objects.yaml", *objects)

    # --- life -------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException as e:
            self._note(e)
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        if e is not None:
            self._note(e)
        self._end()

    def start(self, *, wait: bool = True) -> None:
        """Start the controller (it adopts a data plane that lives) and wait until it is ready."""
        self.process = self.spawn()
        if wait:
            waiting.until(self.is_ready, self._timeout, 0.005, why="the gateway's /readyz")

    def spawn(self, *more: str) -> subprocess.Popen[bytes]:
        """Start a controller on this gateway's folders, without waiting for anything."""
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*programs.tidegate(), "run", *self.arguments, *more],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                cwd=self.root,
                start_new_session=True,
            )

    @property
    def arguments(self) -> list[str]:
        """The flags with which the controller runs."""
        return [
            "--manifests", str(self.folder.path),
            "--http-port", str(self.http_port),
            "--https-port", str(self.https_port),
            "--status-port", str(self.status_port),
            "--state-dir", str(self.state_dir),
            *self._args,
        ]  # fmt: skip

    def is_ready(self) -> bool:
        """Ask ``/readyz``. Raises ``RuntimeError`` if the controller has ended."""
        if self.process is not None and (code := self.process.poll()) is not None:
            raise waiting.GaveUp(f"tidegate run ended with {code}")
        return http.get(self.status_port, "/readyz", timeout=5).status == 200

    def kill(self) -> None:
        """Kill the controller as a crash would (-9); the data plane stays."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self, timeout: float = 30) -> int:
        """Send the controller a SIGTERM and give its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout)

    def run(self, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run another ``tidegate`` command on this gateway's state."""
        return subprocess.run(
            [*programs.tidegate(), *command, "--state-dir", str(self.state_dir)],
            capture_output=True,
            text=True,
            env=self._env,
            timeout=timeout,
            check=False,
        )

    # --- changing ---------------------------------------------------------------------------------------------------

    def apply(self, *objects: Manifest, name: str = "", timeout: float = 10) -> str:
        """Write objects into one file and wait until it is in force; give the file's name.

        A host that only this file has tells when: all that stands in a file comes into force at once. A change that
        needs a reload may still be on its way.
        """
        number = next(self._files)
        mark = f"m{number}.mark.example"
        marker = manifests.ingress(f"mark-{number}", manifests.rule(mark, manifests.path("/", "mark")))
        self.folder.write(name or f"applied-{number}.yaml", *objects, marker)
        # Its Service does not exist: 503 says that the host is known.
        self.eventually(mark, status=503, timeout=timeout)
        return name or f"applied-{number}.yaml"

    def withdraw(self, name: str) -> None:
        """Remove a file that ``apply`` wrote and wait until that is in force."""
        text = (self.folder.path / name).read_text()
        mark = text[: text.index(".mark.example")].rpartition(" ")[2] + ".mark.example"
        self.folder.remove(name)
        self.eventually(mark, status=404)

    # --- asking -----------------------------------------------------------------------------------------------------

    def get(self, host: str | None, path: str = "/", **options: Any) -> http.Response:
        """Send one request to the plain port; options as for ``http.get``."""
        return http.get(self.http_port, path, host=host, **options)

    def get_tls(
        self, host: str | None, path: str = "/", *, tls: ssl.SSLContext, **options: Any
    ) -> http.Response:  # fmt: skip
        """Send one request to the TLS port."""
        return http.get(self.https_port, path, host=host, tls=tls, **options)

    def status(self) -> dict[str, Any]:
        """Give what the keeper says of itself and of nginx."""
        return keeper.ask(self.state_dir / "keeper.sock", "status")[0]

    @property
    def controller(self) -> list[int]:
        """Pids of the controller and its helpers, without the keeper and all that is the keeper's."""
        assert self.process is not None
        own = cpu.family(self.process.pid)
        others = cpu.family(int(self.status()["keeper"]))
        return [pid for pid in own if pid not in others]

    @property
    def workers(self) -> list[int]:
        """Pids of the nginx workers that serve."""
        return [int(pid) for pid in self.status()["workers"]]

    @property
    def reloads(self) -> int:
        """How often nginx was reloaded (or taken over) since the keeper started."""
        return int(self.status()["reloads"])

    def metrics(self) -> dict[str, float]:
        """Give ``/metrics`` as name with labels → value."""
        text = http.get(self.status_port, "/metrics").text
        lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def log_text(self) -> str:
        """Give what the controller has written."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def nginx_logs(self) -> str:
        """Give nginx's error logs, of every instance."""
        found = sorted(self.state_dir.rglob("*error.log"))
        return "\n".join(f"{p}:\n{p.read_text(errors='replace')}" for p in found)

    def eventually(
        self, host: str | None, path: str = "/", *, timeout: float = 10, **wanted: int | str | None
    ) -> http.Response:
        """Ask until the answer has ``status`` and/or ``backend`` (the name of an instance) as wanted; give it."""
        last: list[http.Response] = []

        def is_right() -> bool:
            last[:] = [self.get(host, path)]
            return all(getattr(last[0], name) == value for name, value in wanted.items())

        try:
            waiting.until(is_right, timeout, 0.005)
        except waiting.TimedOutWaiting as e:
            e.add_note(f"{host}{path}: wanted {wanted}, last {last}")
            raise
        return last[0]

    # --- the end ----------------------------------------------------------------------------------------------------

    def processes(self) -> list[int]:
        """Give the pids of everything that belongs to this gateway: it names, or works in, its folder."""
        return [pid for pid in _pids() if pid != os.getpid() and _belongs(pid, str(self.root))]

    def _end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for sent in (signal.SIGTERM, signal.SIGKILL):
            self._end_rest(sent)
        self._temporary.cleanup()

    def _end_rest(self, sent: signal.Signals) -> None:
        end = time.monotonic() + 5
        for pid in self.processes():
            _send(pid, sent)
        while self.processes() and time.monotonic() < end:
            time.sleep(0.02)

    def _note(self, e: BaseException) -> None:
        e.add_note(f"--- controller ---\n{self.log_text()[-LOG_TAIL:]}")
        e.add_note(f"--- nginx ---\n{self.nginx_logs()[-LOG_TAIL:]}")


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {"TIDEGATE_CACHE", "TIDEGATE_NGINX_PREFIX"}
    own = {k: v for k, v in os.environ.items() if not k.startswith("TIDEGATE_") or k in kept}
    return {**own, **more}


def _pids() -> list[int]:
    return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]


def _belongs(pid: int, folder: str) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        return folder in command or str(Path(f"/proc/{pid}/cwd").readlink()).startswith(folder)
    except OSError:
        return False


def _send(pid: int, sent: signal.Signals) -> None:
    try:
        os.kill(pid, sent)
    except ProcessLookupError:
        return
