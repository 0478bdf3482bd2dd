"""What a gateway tells about itself over its control socket and in its log."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

import tidegate
from tidegate.app import _measuring
from tidegate.app._control import Answer
from tidegate.dataplane.delta import Parked
from tidegate.findings import Finding

if TYPE_CHECKING:
    from tidegate.app._gateway import Gateway

_SLICE = 20
"""Findings that are placed before others get their turn."""

_KINDS = {"h": "hosts", "r": "routes", "b": "backends", "t": "tls_hosts", "c": "certificates", "p": "targets"}


def answers(gateway: Gateway) -> Mapping[str, Answer]:
    """Give the operations of the control socket."""

    async def tell_info() -> dict[str, Any]:
        return info(gateway)

    async def tell_findings() -> dict[str, Any]:
        found: list[Any] = []
        for finding in all_findings(gateway):
            found.append(msgspec.to_builtins(finding))
            # To find a place, a file may be read.
            if len(found) % _SLICE == 0:
                await asyncio.sleep(0)
        return {"findings": found}

    async def tell_metrics() -> dict[str, Any]:
        return _measuring.answer(gateway)

    async def stop() -> dict[str, Any]:
        gateway.stop()
        return {}

    return {"info": tell_info, "findings": tell_findings, "metrics": tell_metrics, "stop": stop}


def all_findings(gateway: Gateway) -> Iterator[Finding]:
    """Give everything that is wrong, what the gateway itself could not do first."""
    yield from gateway.configurer.findings()
    yield from gateway.pusher.findings()
    yield from gateway.findings


def info(gateway: Gateway) -> dict[str, Any]:
    """Say how a gateway is, for people and programs."""
    pusher, queue = gateway.pusher, gateway.queue
    return {
        "tidegate": tidegate.__version__,
        "pid": os.getpid(),
        "keeper_pid": gateway.keeper_pid,
        "age_seconds": round(time.time() - gateway.started, 1),
        "source": {
            "folder": str(gateway.options.folder),
            "listed": bool(gateway.listed_at),
            "ignored_kinds": dict(gateway.source.ignored_kinds()),
        },
        "ready": bool(gateway.ready_at),
        "ready_seconds": round(gateway.ready_at - gateway.started, 3) if gateway.ready_at else None,
        "version": pusher.version,
        "persisted": pusher.persisted,
        "entries": _counts(gateway),
        "queue": {
            "entries": len(queue),
            "translating": gateway.translator.pending,
            "waiting_for_profile": len(queue.parked(Parked.PROFILE)),
            "waiting_for_memory": len(queue.parked(Parked.FULL)),
        },
        "pushes": {
            "deltas": pusher.pushed,
            "conflicts": pusher.conflicts,
            **_milliseconds(list(pusher.seconds)),
        },
        "reloads": [msgspec.to_builtins(reload) for reload in gateway.configurer.history],
        "findings": len(gateway.configurer.findings()) + len(pusher.findings()) + len(gateway.findings),
        "node": msgspec.to_builtins(gateway.configurer.node),
    }


def fields_of(finding: Finding) -> dict[str, Any]:
    """Give a finding as fields of a log line, the empty ones left out."""
    where = f"{finding.file}:{finding.line}" if finding.line else finding.file
    fields = {
        "effect": finding.effect.value,
        "type": finding.type,
        "object": finding.object,
        "field": finding.field,
        "value": finding.value,
        "accepted": finding.accepted,
        "message": finding.message,
        "where": where,
    }
    return {name: value for name, value in fields.items() if value}


def _counts(gateway: Gateway) -> dict[str, int]:
    found = Counter(key[0] for key in gateway.translator.entries)
    return {name: found[kind] for kind, name in _KINDS.items()}


def _milliseconds(seconds: list[float]) -> dict[str, float | None]:
    """Give median and 99th percentile."""
    ordered = sorted(seconds)

    def at(share: float) -> float | None:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2) if ordered else None

    return {"p50_ms": at(0.5), "p99_ms": at(0.99)}
