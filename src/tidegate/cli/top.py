"""`tidegate top`: what is busy, slow or failing right now, from the gateway alone."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from tidegate.app import default_state_dir
from tidegate.cli import _output
from tidegate.cli._errors import FINE, WorldFailed
from tidegate.cli._flags import OutputFlag, StateDir
from tidegate.cli._types import Duration, Output
from tidegate.observe import access

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tidegate.dataplane.push import KeeperClient, Status

Interval = Annotated[Duration, Parameter(help="Time between two looks.")]

_TICKS = 100
"""Of processor time in a second, as Linux counts it."""
_MOST_ROWS = 15
_LEAST_SECONDS = 0.2


class RouteRow(msgspec.Struct, frozen=True):
    """One route in the time looked at."""

    route: str
    """Empty: requests that no rule matched."""
    rate: float
    """Requests a second."""
    client_errors: float
    """Share of answers with 4xx, 0 to 1."""
    errors: float
    """Share of answers with 5xx."""
    p99: float | None
    """Seconds; None without a JSON access log in a file."""


class WorkerRow(msgspec.Struct, frozen=True):
    """One nginx worker."""

    pid: int
    cpu: float
    """Cores that it used."""
    memory: int
    """Bytes in memory."""


class View(msgspec.Struct, frozen=True):
    """One look."""

    seconds: float
    version: int
    rate: float
    routes: list[RouteRow]
    endpoints: list[access.EndpointRow]
    workers: list[WorkerRow]


Counts = dict[str, dict[str, int]]


class _Sample(msgspec.Struct):
    time: float
    counts: Counts
    status: Status
    cpu: dict[int, int]


def top(*, interval: Interval = 1.0, state_dir: StateDir = None, output: OutputFlag = Output.TEXT) -> int:
    """Show live which routes are asked how often, with which errors and times; endpoints; workers. Ctrl-C ends it.

    Counts come from nginx by way of the keeper. Times and endpoints come from the access log, if it is JSON in a file.
    Where the output is no terminal, one look is printed.

    Example: tidegate top --interval 5s
    """
    folder = (state_dir or default_state_dir()).absolute()
    is_live = output is Output.TEXT and sys.stdout.isatty()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watch(folder, max(interval, _LEAST_SECONDS), output, is_live=is_live))
    return FINE


async def _watch(folder: Path, interval: float, output: Output, *, is_live: bool) -> None:
    from tidegate.dataplane import push

    client = push.KeeperClient(folder)
    files = access.log_files(folder)
    tail = access.Tail(files[0] if files else None)
    try:
        before = await _sample(client)
        if is_live:
            await _live(client, tail, before, interval)
            return
        await asyncio.sleep(interval)
        seen = _view(before, await _sample(client), tail)
    except push.KeeperError as error:
        raise WorldFailed(str(error)) from error
    finally:
        await client.close()
    if output is Output.JSON:
        _output.json(seen)
    else:
        _output.show(_layout(seen))


async def _live(client: KeeperClient, tail: access.Tail, before: _Sample, interval: float) -> None:
    from rich.live import Live

    with Live(console=_output.console(), screen=True, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(interval)
            now = await _sample(client)
            live.update(_layout(_view(before, now, tail)), refresh=True)
            before = now


async def _sample(client: KeeperClient) -> _Sample:
    counts, status = await client.counters(), await client.status()
    return _Sample(time.monotonic(), counts, status, {pid: _ticks(pid) for pid in status.workers})


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _memory(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0


# --- from two samples to a view -------------------------------------------------------------------------------------------


def _view(before: _Sample, now: _Sample, tail: access.Tail) -> View:
    seconds = max(now.time - before.time, 1e-3)
    lines = tail.read()
    routes = _routes(before.counts, now.counts, seconds, access.route_times(lines))
    workers = [
        WorkerRow(pid, round((used - before.cpu.get(pid, used)) / _TICKS / seconds, 2), _memory(pid))
        for pid, used in now.cpu.items()
    ]
    rate = round(sum(row.rate for row in routes), 1)
    return View(round(seconds, 3), now.status.version, rate, routes, access.endpoints(lines), workers)


def _routes(before: Counts, now: Counts, seconds: float, times: dict[str, list[float]]) -> list[RouteRow]:
    rows = []
    for route, classes in now.items():
        was = before.get(route, {})
        # Less than before: another nginx began to count.
        more = {name: n - was.get(name, 0) if n >= was.get(name, 0) else n for name, n in classes.items()}
        if total := sum(more.values()):
            refused, failed = (round(more.get(name, 0) / total, 4) for name in ("4xx", "5xx"))
            rate, slowest = round(total / seconds, 1), access.p99(times.get(route, []))
            rows.append(RouteRow(route, rate, refused, failed, slowest))
    return sorted(rows, key=lambda row: (-row.rate, row.route))


# --- looks ----------------------------------------------------------------------------------------------------------------


def _share(value: float) -> str:
    return f"{value:.1%}" if value else ""


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value * 1000:.0f} ms"


def _layout(view: View) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    head = Text(f"{view.rate:,.1f} requests/s · version {view.version} · {len(view.workers)} workers")
    routes = _output.grid(
        ("route", "requests/s", "4xx", "5xx", "p99"),
        (
            (
                r.route or "(no route)",
                f"{r.rate:,.1f}",
                _share(r.client_errors),
                _share(r.errors),
                _milliseconds(r.p99),
            )
            for r in view.routes[:_MOST_ROWS]
        ),
    )
    endpoints = _output.grid(
        ("endpoint", "backend", "tries/s", "failed", "p99"),
        (
            (e.endpoint, e.backend, f"{e.tries / view.seconds:,.1f}", e.failed or "", _milliseconds(e.p99))
            for e in view.endpoints[:_MOST_ROWS]
        ),
    )
    workers = _output.grid(
        ("worker", "processor", "memory"),
        ((w.pid, f"{w.cpu:.0%}", f"{w.memory / 1024**2:.0f} MiB") for w in view.workers),
    )
    return Group(head, routes, endpoints, workers)
