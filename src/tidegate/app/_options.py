"""What a gateway is told when it starts, as values that were checked."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from tidegate import translate

_CPU_MAX: Final = Path("/sys/fs/cgroup/cpu.max")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How one gateway runs."""

    folder: Path
    """Of the manifests."""
    state_dir: Path
    """Everything that the gateway writes."""
    translation: translate.Options = translate.Options(folder=True)
    """What the flags say about objects and about the node."""
    shutdown_grace: float = 0.0
    """Seconds between SIGTERM and the end of nginx; health fails at once."""
    metrics_exclude: tuple[str, ...] = ()
    """Names of metrics of requests that are not shown."""
    post_shutdown_grace: float = 0.0
    """Seconds between the end of nginx and the end of this process."""


def default_state_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Give the state folder of a gateway that was not told one."""
    variables = os.environ if environ is None else environ
    if os.geteuid() == 0:
        return Path("/var/lib/tidegate")
    if state := variables.get("XDG_STATE_HOME"):
        return Path(state) / "tidegate"
    return Path(variables.get("HOME") or Path.home()) / ".local" / "state" / "tidegate"


def bind_addresses() -> tuple[str, ...]:
    """Give the addresses to listen on: all, of the families that this machine has."""
    return ("0.0.0.0", "::") if _has_ipv6() else ("0.0.0.0",)


def default_workers() -> int:
    """Give the number of nginx workers that suits this machine: what its cgroup allows, else its processors."""
    available = len(os.sched_getaffinity(0))
    try:
        quota, period = _CPU_MAX.read_text().split()
        return max(1, min(available, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        # No cgroup, or "max": no quota.
        return available


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True
