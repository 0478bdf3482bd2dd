"""What nginx knows against endpoints, asked of the keeper and said in words."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec


class EndpointHealth(msgspec.Struct, frozen=True):
    """An endpoint that something is known against."""

    passed_over: bool = False
    traffic: str = ""
    """What requests have met: ``unreachable``, ``reset`` or nothing."""
    since: float | None = None
    """Unix seconds."""
    next_try: float | None = None
    """Unix seconds: when it is looked at, or may be tried, again."""
    failures: int = 0
    times: int = 0
    check: str = ""
    """Why its checks fail; empty if they do not."""


class BackendHealth(msgspec.Struct, frozen=True):
    """A backend with such endpoints."""

    panic: bool = False
    """So many are out that the evidence is doubted."""
    count: int = 0
    endpoints: dict[str, EndpointHealth] = {}


class _All(msgspec.Struct, frozen=True):
    backends: dict[str, BackendHealth]


UNKNOWN = BackendHealth()
"""Nothing is known against any endpoint."""


def known(state_dir: Path) -> dict[str, BackendHealth]:
    """Give what is known, by backend; nothing if the keeper (one of an earlier version, say) or nginx does not tell."""
    from tidegate.dataplane import push

    async def ask() -> dict[str, object]:
        client = push.KeeperClient(state_dir)
        try:
            return await client.health()
        finally:
            await client.close()

    try:
        return msgspec.convert(asyncio.run(ask()), _All).backends
    except (push.KeeperError, msgspec.MsgspecError):
        return {}


_WORDS = {"unreachable": "cannot be reached", "reset": "breaks connections"}


def why(state: EndpointHealth) -> str:
    """Say what is known against an endpoint."""
    parts = []
    if state.traffic:
        parts.append(_WORDS.get(state.traffic, state.traffic))
    if state.check:
        parts.append(f"fails its checks ({state.check})")
    if not parts:
        return f"{state.failures} failed" if state.failures else "was out lately"
    text = " and ".join(parts)
    if state.since is not None:
        text += f", for {max(0, round(time.time() - state.since))} s"
    return text if state.passed_over else f"{text}, used all the same"
