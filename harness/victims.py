"""Killing parts of a running gateway, and waiting until it is whole again."""

from __future__ import annotations

import json
import os
import signal
import time

from harness import keeper, waiting
from harness.gateway import Gateway
from tidegate.observe.ledger import Verdict

CONTROLLER, KEEPER, MASTER, WORKER = VICTIMS = ("controller", "keeper", "master", "worker")

CUT = ("closed before the answer", "cut short", "the answer")
"""What a client sees of a request whose connection ended under it."""


def kill(gateway: Gateway, victim: str, number: int = 0) -> float:
    """Kill (-9) a part, and wait until it is replaced; give the seconds that it took. Of workers the one of a number."""
    before = gateway.status()
    start = time.monotonic()
    if victim == CONTROLLER:
        readies = gateway.log_text().count("event=ready")
        gateway.kill()
        gateway.start()
        waiting.until(lambda: gateway.log_text().count("event=ready") > readies, 20, why="a new controller")
        return time.monotonic() - start
    workers = before["workers"]
    pid = workers[number % len(workers)] if victim == WORKER else before[victim]
    os.kill(pid, signal.SIGKILL)

    def is_whole() -> bool:
        status = gateway.status()
        alive = (status["keeper"], status["master"], *status["workers"])
        return bool(status["ready"]) and pid not in alive and len(status["workers"]) == len(workers)

    waiting.until(is_whole, 20, 0.01, why=f"a new {victim}")
    return time.monotonic() - start


def beyond_cut(verdict: Verdict) -> list[str]:
    """Give all faults that are more than the end of a connection under a request that was on it."""
    return [
        f"{fault.what}: {fault.detail}"
        for fault in verdict.faults
        if fault.what != "failed" or not fault.detail.endswith(CUT)
    ]


def reload(gateway: Gateway, generation: str) -> None:
    """Force a reload by a configuration that differs in nothing but its name."""
    kept = json.loads((gateway.state_dir / "nginx" / "current.json").read_text())
    text = kept["text"].replace(f'generation = "{kept["generation"]}"', f'generation = "{generation}"')
    keeper.ask(
        gateway.state_dir / "keeper.sock", "configure", text.encode(), generation=generation,
        profiles=kept["profiles"], listeners=kept["listeners"], workers=kept["workers"],
        datagrams=kept.get("datagrams", []),
    )  # fmt: skip
