"""What controller and keeper say of themselves, asked over their sockets at each scrape."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from tidegate.dataplane import tracing
from tidegate.dataplane.keeper.paths import short
from tidegate.observe.metrics._declared import BY_NAME
from tidegate.observe.metrics._nginx import Sample

_SECONDS: Final = 2.0
_HEAD: Final = struct.Struct(">II")
"""Of a frame (`tidegate.dataplane.keeper.frames`, which would bring asyncio into this small process)."""


class Told(msgspec.Struct):
    """What the controller answers to ``metrics``."""

    samples: list[tuple[str, dict[str, str], float]] = []
    ingresses: list[str] = []
    """``namespace/name`` of those that have routes."""
    constant: dict[str, str] = {}
    """Labels that ingress-nginx's metrics all have."""
    exclude: list[str] = []
    """Names of metrics that are not shown."""


def ask(path: Path, op: str) -> dict[str, Any] | None:
    """Ask over a socket of ours; None without an answer."""
    answer = _ask(path, op)
    return answer[0] if answer else None


def _ask(path: Path, op: str) -> tuple[dict[str, Any], bytes] | None:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            with short(path) as name:
                connection.connect(name)
            header = msgspec.json.encode({"op": op})
            connection.sendall(_HEAD.pack(len(header), 0) + header)
            head, payload = _HEAD.unpack(_exactly(connection, _HEAD.size))
            answer: dict[str, Any] = msgspec.json.decode(_exactly(connection, head))
            body = _exactly(connection, payload)
    except (OSError, EOFError, msgspec.MsgspecError):
        return None
    return (answer, body) if answer.get("ok") else None


class _Endpoint(msgspec.Struct):
    passed_over: bool = False


class _Backend(msgspec.Struct):
    endpoints: dict[str, _Endpoint] = {}


class _Health(msgspec.Struct):
    backends: dict[str, _Backend]
    panic: int
    counts: dict[str, int]


def health(state_dir: Path) -> Iterator[Sample]:
    """Give what nginx knows against endpoints; nothing without an answer, or of an earlier version."""
    answer = _ask(state_dir / "keeper.sock", "health")
    if answer is None:
        return
    try:
        found = msgspec.json.decode(answer[1], type=_Health)
    except msgspec.MsgspecError:
        return
    yield "tidegate_backends_in_panic", {}, found.panic
    out = sum(one.passed_over for backend in found.backends.values() for one in backend.endpoints.values())
    yield "tidegate_endpoints_passed_over", {}, out
    for event, count in sorted(found.counts.items()):
        yield "tidegate_endpoint_events_total", {"event": event}, count


def spans(state_dir: Path) -> Iterator[Sample]:
    """Give what became of spans; nothing where none are exported."""
    found = tracing.stats(state_dir)
    if found is None:
        return
    for outcome in ("exported", "dropped", "unreadable"):
        yield "tidegate_spans_total", {"outcome": outcome}, getattr(found, outcome)
    yield "tidegate_spans_lost_total", {}, found.lost


def _exactly(connection: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        if not (data := connection.recv(min(1 << 20, length - len(parts)))):
            raise EOFError
        parts += data
    return bytes(parts)


def controller(state_dir: Path) -> Told | None:
    """Ask the controller; None if it does not answer."""
    answer = ask(state_dir / "control.sock", "metrics")
    if answer is None:
        return None
    with contextlib.suppress(msgspec.ValidationError):
        told = msgspec.convert(answer, Told)
        told.samples = [sample for sample in told.samples if sample[0] in BY_NAME]
        return told
    return None


class _AccessLog(msgspec.Struct):
    written: int
    lost_in_pipe: int
    dropped: int
    waiting_bytes: int
    trouble: str


def access_log(state_dir: Path) -> Iterator[Sample]:
    """Give what the writer of the access log wrote down last; nothing without one."""
    try:
        told = msgspec.json.decode((state_dir / "access-log.json").read_bytes(), type=_AccessLog)
    except (OSError, msgspec.MsgspecError):
        return
    name = "tidegate_access_log_lines_total"
    yield name, {"what": "written"}, told.written
    yield name, {"what": "lost"}, told.lost_in_pipe
    yield name, {"what": "dropped"}, told.dropped
    yield "tidegate_access_log_waiting_bytes", {}, told.waiting_bytes
    yield "tidegate_access_log_writable", {}, not told.trouble


def keeper(state_dir: Path) -> Iterator[Sample]:
    """Give what the keeper says of itself and of nginx."""
    status = ask(state_dir / "keeper.sock", "status")
    yield "tidegate_keeper_up", {}, status is not None
    if status is None:
        return
    yield "tidegate_nginx_up", {}, bool(status["master"])
    yield "tidegate_ready", {}, bool(status["ready"])
    yield "tidegate_draining", {}, bool(status["draining"])
    yield "tidegate_version_in_force", {}, status["version"]
    yield "tidegate_persisted", {}, bool(status["persisted"])
    yield "tidegate_workers", {}, len(status["workers"])
    yield "tidegate_old_generations", {}, status["retiring"]
    yield "tidegate_reloads_total", {}, status["reloads"]
    yield "tidegate_handovers_total", {}, status["handovers"]
    yield "tidegate_nginx_restarts_total", {}, status["restarts"]
    store = status.get("store") or {}
    if store.get("capacity"):
        yield "tidegate_store_capacity_bytes", {}, store["capacity"]
        yield "tidegate_store_free_bytes", {}, store["free"]
