"""The access log: what it costs beside nginx's own log of the same fields, and what a frozen reader or a full disk costs.

The same configuration runs with no log, with nginx writing the file line by line or buffered, with nginx's datagrams to a
socket, and with the pipe and its writer, whose processor time counts as well. Then requests come at a fixed rate, whether
answered or not, while the writer is frozen, and while its disk is full.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench import _report, _rounds
from bench._report import Row, Told
from harness import cpu, hostile, nginx, programs, waiting, wrk
from harness.dataplane import DataPlane, simple

HOST = "log.example"
RATE = 2_000
"""Requests a second where times are measured."""

_CLIENTS = 20
_SINK = """
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
with open(sys.argv[2], "ab") as log:
    while True:
        log.write(s.recv(65536))
"""


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Measure the cost, then times under trouble."""
    return _report.each(
        {
            "cost": lambda: _cost(quick=quick, told=told),
            "trouble": lambda: _trouble(quick=quick, told=told),
            "hostile requests": lambda: _hostile(quick=quick, told=told),
        }
    )


# --- set-ups ------------------------------------------------------------------------------------------------------------


class Piped(DataPlane):
    """A data plane with the pipe, and a writer as the keeper starts it."""

    def __init__(self, entries: Any, *, log: Path, **node: Any) -> None:
        super().__init__(entries, workers=1, access_log_pipe=True, access_log=str(log), **node)
        self.log = log

    def __enter__(self) -> Self:
        fifo = self.state / "access.fifo"
        os.mkfifo(fifo)
        self._hold = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self._hold, fcntl.F_SETPIPE_SZ, 1024 * 1024)
        self.writer = subprocess.Popen(
            [
                *(sys.executable, "-m", "tidegate.dataplane.access_log", "--state-dir", str(self.state)),
                *("--to", str(self.log), "--tell"),
            ]
        )
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.writer.kill()
        self.writer.wait()
        os.close(self._hold)
        super().__exit__(kind, e, tb)

    def stats(self) -> dict[str, Any]:
        return dict(json.loads((self.state / "access-log.json").read_text()))


class Buffered(DataPlane):
    """The same lines into a file in the place of the pipe: nginx's own buffered log."""

    def __enter__(self) -> Self:
        (self.state / "access.fifo").touch()
        super().__enter__()
        return self


@contextlib.contextmanager
def _datagrams(entries: Any, folder: Path) -> Iterator[tuple[DataPlane, int]]:
    socket = folder / "log.sock"
    sink = subprocess.Popen([sys.executable, "-c", _SINK, str(socket), str(folder / "datagrams.log")])
    try:
        waiting.until(socket.exists, 10)
        socket.chmod(0o777)
        with DataPlane(entries, workers=1, access_log=f"syslog:server=unix:{socket}") as plane:
            yield plane, sink.pid
    finally:
        sink.kill()
        sink.wait()


def _pinned(plane: DataPlane, *more: int) -> tuple[int, ...]:
    cpu.pin(plane.workers, {_rounds.WORKER_CORE})
    cpu.pin(more, {_rounds.LOAD_CORE})
    return (*plane.workers, *more)


# --- cost ---------------------------------------------------------------------------------------------------------------


def _cost(*, quick: bool, told: Told) -> list[Row]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-bench-")))
        folder.chmod(0o755)
        backend = waiting.free_ports(1)[0]
        stack.enter_context(nginx.fast_backend(backend, cores={_rounds.LOAD_CORE}))
        entries = simple(HOST, "log", [("127.0.0.1", backend)])
        off = stack.enter_context(DataPlane(entries, workers=1, access_log="off"))
        lines = stack.enter_context(DataPlane(entries, workers=1))
        buffered = stack.enter_context(Buffered(entries, workers=1, access_log_pipe=True))
        piped = stack.enter_context(Piped(entries, log=folder / "access.log"))
        datagrams, sink = stack.enter_context(_datagrams(entries, folder))
        setups = [
            _setup("off", off),
            _setup("lines", lines),
            _setup("buffered", buffered),
            _setup("piped", piped, piped.writer.pid),
            _setup("datagrams", datagrams, sink),
        ]
        measured = _rounds.measure(setups, rounds=2 if quick else 10, seconds=1 if quick else 3, told=told)
    return _cost_rows({c.name: c for c in measured})


def _setup(name: str, plane: DataPlane, *more: int) -> _rounds.Setup:
    target = wrk.Target(f"http://127.0.0.1:{plane.http}", [("GET", "/cart/items?page=2", {"Host": HOST})])
    return _rounds.Setup(name, _pinned(plane, *more), target)


def _cost_rows(costs: dict[str, _rounds.Costs]) -> list[Row]:
    def detail(what: str, base: str) -> str:
        ratio = costs[what].ratio(costs[base], "total")
        return f"{costs[what].median('total'):.1f} ÷ {costs[base].median('total'):.1f} µs; {ratio}"

    def beside(what: str, base: str, measure: str) -> Row:
        ratio = costs[what].ratio(costs[base], "total")
        return _report.stated(measure, ratio.median, _report.TIMES, detail(what, base))

    ratio = costs["piped"].ratio(costs["lines"], "total")
    return [
        _report.at_most(
            "JSON log, its writer included ÷ nginx's own of the same fields: total",
            ratio.median, 1.05, _report.TIMES, detail("piped", "lines"),
        ),
        beside("piped", "buffered", "the same ÷ nginx's own with a buffer"),
        beside("piped", "datagrams", "the same ÷ datagrams to a process"),
        beside("piped", "off", "the same ÷ no log at all"),
        beside("buffered", "off", "nginx's own with a buffer ÷ no log at all"),
    ]  # fmt: skip


# --- trouble --------------------------------------------------------------------------------------------------------------


def _trouble(*, quick: bool, told: Told) -> list[Row]:
    seconds = 3 if quick else 60
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-bench-")))
        backend = waiting.free_ports(1)[0]
        stack.enter_context(nginx.fast_backend(backend, cores={_rounds.LOAD_CORE}))
        entries = simple(HOST, "log", [("127.0.0.1", backend)])
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256m", "none", str(folder)], check=False
        )
        if not mounted.returncode:
            stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=False)
        piped = stack.enter_context(Piped(entries, log=folder / "access.log", keepalive_requests=10**9))
        _pinned(piped, piped.writer.pid)
        _run(piped, 1)
        calm, frozen, made = _interleaved(piped, seconds, told)
        found = [
            _report.at_most(
                f"reader frozen {seconds} s at {RATE:,} requests/s: p99 ÷ before and after",
                frozen.p99 / calm.p99, 1.02, _report.TIMES, f"{frozen.p99:.2f} ÷ {calm.p99:.2f} ms",
            ),
            _report.exactly("requests failed meanwhile", frozen.failed + calm.failed, 0, "", f"of {made:,}"),
            _accounted(piped, made),
        ]  # fmt: skip
        if not mounted.returncode:
            found += _full(piped, folder, min(seconds, 20), told)
        return found


class _Times:
    """Times of requests, in milliseconds."""

    def __init__(self) -> None:
        self.all: list[float] = []
        self.failed = 0

    @property
    def p99(self) -> float:
        return _report.quantile(self.all, 0.99)

    def __iadd__(self, other: _Times) -> Self:
        self.all += other.all
        self.failed += other.failed
        return self


def _run(plane: DataPlane, seconds: int) -> _Times:
    """Send requests at the rate; a request that comes late is as late as it should have been sent."""
    with tempfile.NamedTemporaryFile("r", prefix="tidegate-bench-") as log:
        argv = [
            *("taskset", "-c", str(_rounds.LOAD_CORE), *programs.tool("h2load"), "--h1", "-t1"),
            *(f"-c{_CLIENTS}", f"--rps={RATE // _CLIENTS}", f"-D{seconds}", f"--log-file={log.name}"),
            *(f"--connect-to=127.0.0.1:{plane.http}", f"http://{HOST}/cart/items?page=2"),
        ]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=seconds + 60)
        times = _Times()
        for line in log:
            _, status, micro = line.split()
            times.failed += status != "200"
            times.all.append(int(micro) / 1000)
    if not times.all:
        raise RuntimeError(done.stdout + done.stderr)
    return times


def _interleaved(piped: Piped, seconds: int, told: Told) -> tuple[_Times, _Times, int]:
    """Half of the calm before, half of it after."""
    told("before the reader is frozen")
    calm = _run(piped, max(1, seconds // 2))
    piped.writer.send_signal(signal.SIGSTOP)
    try:
        told(f"the reader is frozen for {seconds} s")
        frozen = _run(piped, seconds)
    finally:
        piped.writer.send_signal(signal.SIGCONT)
    time.sleep(1)
    told("after it")
    calm += _run(piped, max(1, seconds // 2))
    return calm, frozen, len(calm.all) + len(frozen.all)


def _accounted(piped: Piped, made: int) -> Row:
    lost, there = 0, 0
    end = time.monotonic() + 20
    while time.monotonic() < end:
        time.sleep(1)
        lines = piped.log.read_bytes().splitlines()
        there = sum(b'"event"' not in line for line in lines)
        lost = int(piped.stats()["lost"])
        if there + lost == _handed(piped):
            break
    return _report.exactly(
        "lines written + lines counted as lost ÷ requests",
        (there + lost) / _handed(piped), 1, _report.TIMES,
        f"{there:,} + {lost:,} of {_handed(piped):,}; {made:,} of them measured",
    )  # fmt: skip


def _handed(piped: Piped) -> int:
    return sum(piped.stats()["account"]["told"].values())


def _full(piped: Piped, folder: Path, seconds: int, told: Told) -> list[Row]:
    told("the disk is full")
    calm = _run(piped, seconds)
    size = sum(p.stat().st_size for p in folder.iterdir())
    subprocess.run(["mount", "-o", f"remount,size={size // 4096 * 4 + 4}k", str(folder)], check=True)
    full = _run(piped, seconds)
    trouble = piped.stats()["trouble"]
    subprocess.run(["mount", "-o", "remount,size=512m", str(folder)], check=True)
    calm += _run(piped, seconds)
    began = time.monotonic()
    waiting.until(lambda: not piped.stats()["trouble"], 30)
    return [
        _report.at_most(
            f"disk full at {RATE:,} requests/s: p99 ÷ before and after",
            full.p99 / calm.p99, 1.02, _report.TIMES, f"{full.p99:.2f} ÷ {calm.p99:.2f} ms; {trouble}",
        ),
        _report.exactly("requests failed meanwhile, disk full", full.failed, 0, "", f"of {len(full.all):,}"),
        _report.at_most("writing again once there is room", time.monotonic() - began, 5, "s"),
    ]  # fmt: skip


# --- hostile requests -----------------------------------------------------------------------------------------------------


def _hostile(*, quick: bool, told: Told) -> list[Row]:
    count = 500 if quick else 10_000
    told(f"{count:,} hostile requests")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-bench-")))
        backend = waiting.free_ports(1)[0]
        stack.enter_context(nginx.fast_backend(backend))
        entries = simple(HOST, "log", [("127.0.0.1", backend)])
        piped = stack.enter_context(Piped(entries, log=folder / "access.log"))
        chance = random.Random(count)
        requests = [hostile.request(chance, HOST.encode()) for _ in range(count)]
        with ThreadPoolExecutor(8) as several:
            answers = list(several.map(lambda data: hostile.send(piped.http, data), requests))
        waiting.until(lambda: piped.log.read_bytes().count(b"\n") >= count, 30)
        time.sleep(1)
        lines = piped.log.read_bytes().splitlines()
        raw = sum(not data.isascii() for data in requests)
    good = sum(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    detail = f"{len(lines):,} lines; {raw:,} requests with bytes from 0x80 on, {good:,} answered 200"
    strict = sum(map(_is_strict, lines)) if len(lines) == count else 0
    return [
        _report.exactly(f"strictly parsed lines of {count:,} hostile requests", strict, count, "", detail)
    ]


def _is_strict(line: bytes) -> bool:
    try:
        return bool(json.loads(line.decode())["schema"])
    except ValueError:
        return False
