"""What one edit costs on a host that has very many rules: work in the controller, in each worker, and bytes pushed."""

from __future__ import annotations

import statistics
import time

from bench import _fleet, _report
from bench._report import Row, Told
from harness import cpu, keeper, manifests, waiting
from harness.gateway import Gateway
from harness.probe import Workers
from tidegate.dataplane import journal
from tidegate.model import Delta, is_for_nginx

HOST = "many.example"
PER_INGRESS = 100
"""Rules of one Ingress: the host is shared by as many Ingresses as that takes."""

SETTLED = 0.1
"""Seconds after which all work of an edit is done."""


def edit_cost(rules: int, edits: int, at: tuple[str, int], told: Told) -> list[Row]:
    """Change one path, again and again, and give the median of what each change cost."""
    address, port = at
    with _fleet.gateway() as gateway:
        gateway.folder.write(
            "svc.yaml", manifests.service("web"), manifests.endpoint_slice("web", port, [address])
        )
        for n in range(rules // PER_INGRESS):
            gateway.folder.write(f"many-{n}.yaml", _ingress(n, 0))
        _fleet.wait_for(gateway, HOST, f"/p{rules // PER_INGRESS - 1}-0/v0")
        _fleet.wait_until_quiet(gateway)
        with Workers(gateway) as workers:
            told(f"{edits} edits on a host of {rules:,} rules")
            costs = [_edit(gateway, workers, turn) for turn in range(1, edits + 1)]
    controller, worker, pushed = (statistics.median(c[i] for c in costs) for i in range(3))
    worst = [max(c[i] for c in costs) for i in range(3)]
    measure = f"one edit on a host of {rules:,} rules"
    return [
        _report.at_most(f"{measure}: controller", controller, 5, "ms", f"max {worst[0]:.1f} ms of CPU"),
        _report.at_most(
            f"{measure}: each worker", worker, 5, "ms", f"max {worst[1]:.1f} ms of CPU, with 3 requests"
        ),
        _report.at_most(f"{measure}: pushed", pushed / 1024, 64, "KiB", f"max {worst[2] / 1024:.1f} KiB"),
    ]


def _ingress(number: int, turn: int) -> manifests.Manifest:
    """Give one Ingress of the host; the turn is part of one path."""
    paths = [
        manifests.path(f"/p{number}-{i}" + (f"/v{turn}" if i == 0 else ""), "web") for i in range(PER_INGRESS)
    ]
    return manifests.ingress(f"many-{number}", manifests.rule(HOST, *paths))


def _edit(gateway: Gateway, workers: Workers, turn: int) -> tuple[float, float, float]:
    """Make one edit; give controller ms, ms of the busiest worker, and bytes."""
    before = gateway.status()["version"]
    time.sleep(SETTLED)
    pids = list(workers.connections)
    controller, each = cpu.read(gateway.controller), {pid: cpu.read([pid]) for pid in pids}
    gateway.folder.write("many-3.yaml", _ingress(3, turn))
    waiting.until(lambda: gateway.status()["version"] > before, 10, 0.002, why="a new version")
    for path in (f"/p3-0/v{turn}", "/p3-1", "/p4-0/v0"):
        for pid, answer in workers.ask(HOST, path).items():
            if answer.status != 200:
                raise RuntimeError(f"worker {pid} answers {answer.status} to {path}")
    time.sleep(SETTLED)
    spent = 1000 * cpu.read(gateway.controller).since(controller).total
    busiest = max(1000 * cpu.read([pid]).since(each[pid]).total for pid in pids)
    return spent, busiest, _pushed(gateway, before)


def _pushed(gateway: Gateway, before: int) -> int:
    """Give the size of all entries that nginx was sent after a version."""
    values = Delta.from_bytes(keeper.ask(gateway.state_dir / "keeper.sock", "dump")[1]).changes
    changes = (c for c in journal.history(gateway.state_dir) if c.version > before)
    keys = [key for c in changes for key in c.keys if is_for_nginx(key)]
    return sum(len(key) + len(values.get(key) or b"") + 8 for key in keys)
