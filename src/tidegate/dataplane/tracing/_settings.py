"""What the exporter must know, as a small file in the state folder, and the pipe beside it."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

import msgspec

SETTINGS: Final = "tracing.json"
"""Name of the file; without it there is no exporter."""

PIPE: Final = "traces"
"""Name of the pipe, which nginx's master opens from its own folder."""

STATS: Final = "tracing.stats"
"""Name of the file in which the exporter tells what became of spans."""

_GRPC_PORT: Final = 4317
"""Where collectors speak gRPC; a ConfigMap made for ingress-nginx names it, and HTTP is on the next one."""


class Settings(msgspec.Struct, frozen=True):
    """Where spans go, and how many may wait."""

    host: str
    """Name or address; IPv6 without brackets."""
    port: int = 4318
    service: str = "nginx"
    queue: int = 2048
    """Spans that may wait."""
    delay: int = 5000
    """Milliseconds between two exports."""
    batch: int = 512
    """Spans of an export."""

    @property
    def http_port(self) -> int:
        """Where the collector speaks HTTP."""
        return self.port + 1 if self.port == _GRPC_PORT else self.port


class Stats(msgspec.Struct):
    """What became of spans since the exporter began."""

    exported: int = 0
    dropped: int = 0
    """Because the queue was full, or the collector refused them or did not answer."""
    unreadable: int = 0
    """Lines that were none."""
    lost: int = 0
    """Requests that nginx could tell nothing of, because the pipe was full; as it said last."""
    problem: str = ""
    """Why the last export failed; empty if it did not."""


def configure(state_dir: Path, settings: Settings | None) -> None:
    """Write the settings, or take them away; make the pipe before nginx looks for it. Raises ``OSError``."""
    target = state_dir / SETTINGS
    if settings is None:
        target.unlink(missing_ok=True)
        (state_dir / STATS).unlink(missing_ok=True)
        return
    pipe = state_dir / PIPE
    if not (pipe.exists() and stat.S_ISFIFO(pipe.stat().st_mode)):
        pipe.unlink(missing_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkfifo(pipe, 0o600)
    aside = state_dir / f".{SETTINGS}"
    aside.write_bytes(msgspec.json.encode(settings))
    aside.replace(target)


def read(state_dir: Path) -> Settings | None:
    """Give the settings; None if nothing is to be exported."""
    try:
        return msgspec.json.decode((state_dir / SETTINGS).read_bytes(), type=Settings)
    except (OSError, msgspec.MsgspecError):
        return None


def stats(state_dir: Path) -> Stats | None:
    """Give what became of spans; None if nothing is exported."""
    if not (state_dir / SETTINGS).exists():
        return None
    try:
        return msgspec.json.decode((state_dir / STATS).read_bytes(), type=Stats)
    except (OSError, msgspec.MsgspecError):
        return None
