"""A trial: a gateway under the load of ``tidegate ledger``, recording backends behind it, and the judgment in the end.

The load is a process of its own, as a user would run it. Backends live in a thread of this one; what they carry out is
on the disk before they answer.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvloop

from harness import programs, waiting
from tidegate.observe import ledger
from tidegate.observe.ledger import Member, Summary, Verdict

PLAIN = "get=70,new=15,post=10,h2=5"
"""The mix of the catalogue without handshakes."""


@dataclass
class Recorder:
    """One backend."""

    id: str
    address: str
    port: int
    backend: ledger.Backend


class Recorders:
    """Recording backends, with the history of what they carried out and of who belonged where."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tidegate-trial-")
        self.folder = Path(self._folder.name)
        self.history = self.folder / "backends.jsonl"
        self._writer = ledger.Writer(self.history, at_once=True)
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="recorders", daemon=True)
        self._all: list[Recorder] = []

    def start(self, name: str, count: int = 1, *, tenant: str = "", **manners: float) -> list[Recorder]:
        """Start instances ``name-0`` … on one port and as many loopback addresses."""
        port = waiting.free_ports(1)[0]
        made = []
        for i in range(count):
            kind = ledger.Manners(**manners)  # type: ignore[arg-type]
            backend = ledger.Backend(f"{name}-{i}", self._writer.write, tenant=tenant, manners=kind)
            address = f"127.0.3.{1 + i}"
            self.call(backend.listen(address, port))
            made.append(Recorder(backend.instance, address, port, backend))
        self._all += made
        return made

    def belongs(self, target: str, recorder: Recorder, since: float = 0, until: float | None = None) -> None:
        """Write down that an instance belongs to a target."""
        self._writer.write(Member(target, recorder.id, since, until))

    def call(self, work: Any) -> Any:
        """Run a coroutine in the backends' loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._writer.__exit__(None, None, None)
        self._folder.cleanup()

    async def _close(self) -> None:
        for recorder in self._all:
            recorder.backend.close()
        await asyncio.sleep(0.02)


class Trial:
    """Load while the ``with`` block lasts; then ``verdict`` and ``figures``."""

    verdict: Verdict
    figures: Summary

    def __init__(
        self,
        recorders: Recorders,
        targets: Sequence[str],
        *,
        ports: Sequence[int] = (),
        tls_ports: Sequence[int] = (),
        rate: float = 200,
        mix: str = PLAIN,
        timeout: float = 10,
        connects: int = 1,
    ) -> None:
        """Take targets as ``tidegate ledger run`` does, and the gateways' ports."""
        self._recorders = recorders
        self._history = recorders.folder / f"client-{time.monotonic_ns()}.jsonl"
        self._command = [
            *programs.tidegate(), "ledger", "run", *targets, "--seconds", "0", "--rate", str(rate), "--mix", mix,
            "--via", ",".join(f"127.0.0.1:{port}" for port in ports), "--timeout", str(timeout),
            "--via-tls", ",".join(f"127.0.0.1:{port}" for port in tls_ports), "--connects", str(connects),
            "--history", str(self._history), "--insecure", "--output", "json",
        ]  # fmt: skip
        self._rate = rate

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        waiting.until(self._is_under_way, 20, 0.02, why="the load under way")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        out, err = self._process.communicate(timeout=60)
        if e is not None:
            return
        assert self._process.returncode in {0, 1}, err
        self.told = json.loads(out)
        history = ledger.read([self._history, self._recorders.history])
        runs = {one.run for one in history if isinstance(one, ledger.Run)}
        mine = [o for o in history if not isinstance(o, ledger.Executed) or o.id.rpartition("-")[0] in runs]
        self.verdict, self.figures = ledger.check(mine), ledger.summary(mine)

    @property
    def failed(self) -> str:
        """What went wrong, for people; empty if nothing did."""
        return "; ".join(f"{f.what}: {f.id} {f.detail}" for f in self.verdict.faults[:20])

    def _is_under_way(self) -> bool:
        assert self._process.poll() is None, self._process.communicate()
        return self._history.exists() and self._history.stat().st_size > 2000
