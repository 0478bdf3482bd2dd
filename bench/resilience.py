"""What dying costs: each process killed (-9) again and again under the ledger's load, cold starts, starts from the disk.

The judge is ``tidegate ledger``: open loop, no request repeated, and a request that a dying process had in hand counts
as failed. Requests are carried out by recording backends. The rows of ``health`` (endpoints in trouble) belong here.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench import _fleet, _report, access_log, health
from bench._report import Row, Told
from harness import bulk, certs, http, keeper, manifests, victims, wrk
from harness.gateway import Gateway
from harness.manifests import Manifest, path, rule
from harness.services import Services
from harness.trial import Recorders, Trial

KILLS, QUICK_KILLS = 20, 2
RATE, QUICK_RATE = 1_000, 200
"""Requests a second."""

SPACE, QUICK_SPACE = 2.5, 0.3
"""Seconds between a part that is whole again and the next kill: 20 of them take about a minute."""

HOST = "resilience.example"
MIX = "get=60,new=15,tls=10,post=10,h2=5"


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Kill each process, start from nothing, freeze and fill the access log."""
    kills = QUICK_KILLS if quick else KILLS
    with Recorders() as recorders:
        world = World(recorders)
        parts: dict[str, Callable[[], list[Row]]] = {
            victim: _bind(world, victim, kills, told, quick=quick) for victim in victims.VICTIMS
        }
        parts["changes while the controller is dead"] = lambda: _meanwhile(world, 2 if quick else 30, told)
        parts["from the disk"] = lambda: _from_the_disk(world, 200 if quick else 5_000, told)
        parts["hand-overs"] = lambda: _handovers(world, kills, told)
        parts["cold starts"] = lambda: _cold_starts(world, kills, told)
        parts["access log"] = lambda: access_log.rows(quick, told)
        return [*_report.each(parts), *health.rows(quick, told)]


def _bind(world: World, victim: str, kills: int, told: Told, *, quick: bool) -> Callable[[], list[Row]]:
    return lambda: _kills(world, victim, kills, told, quick=quick)


class World:
    """Backends, a certificate, and what a gateway is given."""

    def __init__(self, recorders: Recorders) -> None:
        self.recorders = recorders
        self.web = recorders.start("web", 4, tenant="a")
        for one in self.web:
            recorders.belongs("plain", one)
            recorders.belongs("tls", one)
        self.services = Services(None, "resilience")  # type: ignore[arg-type]
        self._pair = certs.Authority().issue(HOST)

    def objects(self) -> list[Manifest]:
        return [
            *self.services.of("web", self.web),
            self.services.ingress("web", rule(HOST, path("/", "web")), tls=[([HOST], "pair")]),
            manifests.tls_secret("pair", self._pair, namespace="resilience"),
            manifests.config_map({"ssl-redirect": "false"}),
        ]

    @contextmanager
    def load(self, *gateways: Gateway, rate: float) -> Iterator[Trial]:
        targets = [f"plain@a=http://{HOST}/", f"tls@a=https://{HOST}/"]
        with Trial(
            self.recorders, targets, mix=MIX, rate=rate, connects=len(gateways),
            ports=[g.http_port for g in gateways], tls_ports=[g.https_port for g in gateways],
        ) as trial:  # fmt: skip
            yield trial


def _kills(world: World, victim: str, kills: int, told: Told, *, quick: bool) -> list[Row]:
    took: list[float] = []
    with (
        Gateway(world.objects(), access_log=False) as first,
        Gateway(world.objects(), access_log=False) as second,
    ):
        before = first.status()
        with world.load(first, second, rate=QUICK_RATE if quick else RATE) as trial:
            for n in range(kills):
                told(f"{victim}: {n + 1} of {kills}")
                took.append(victims.kill(first, victim, n))
                time.sleep(QUICK_SPACE if quick else SPACE)
        after = first.status()
    verdict, name = trial.verdict, f"{kills} × kill -9 of {victim}"  # noqa: RUF001 - the sign is meant
    gets = [f for f in verdict.of("failed") if not f.detail.startswith("post")]
    posts = len(verdict.of("failed")) - len(gets)
    other = [f for f in verdict.faults if f.what not in {"failed", "executed twice"}]
    errors = ", ".join(f"{count} {why}" for why, count in trial.figures.errors.items())
    cpu = trial.figures.cpu_seconds / max(trial.figures.seconds, 1)
    reloads = after["reloads"] - before["reloads"]
    return [
        _report.exactly(f"{name}: failed GET", len(gets), 0, "", f"of {verdict.asked:,} through two gateways; {errors}"),
        _report.exactly(f"{name}: POST carried out twice", len(verdict.of("executed twice")), 0, "",
                        f"{posts} POST failed"),
        _report.exactly(f"{name}: answers of the wrong backend, body, tenant, status", len(other)
                        + len([f for f in gets if not f.detail.endswith(victims.CUT)]), 0, ""),
        _report.at_most(f"{name}: whole again, slowest", max(took), 3, "s",
                        f"median {_report.quantile(took, 0.5):.2f} s; {reloads} reloads; load client {cpu:.0%} of a core"),
    ]  # fmt: skip


def _meanwhile(world: World, seconds: int, told: Told) -> list[Row]:
    """Change something while the controller is dead; nothing else may change."""
    with Gateway(world.objects(), access_log=False) as gateway:
        before = gateway.status()
        with world.load(gateway, rate=500) as trial:
            gateway.kill()
            told(f"the controller is dead for {seconds} s")
            added = world.services.ingress("later", rule("later.example", path("/", "web")))
            gateway.folder.write("later.yaml", added)
            time.sleep(seconds)
            start = time.monotonic()
            gateway.process = gateway.spawn()
            gateway.eventually("later.example", status=200, timeout=30)
            took = time.monotonic() - start
        after = gateway.status()
    name = f"controller dead for {seconds} s"
    same = [after[key] == before[key] for key in ("workers", "master", "generation")]
    reloads = after["reloads"] - before["reloads"]
    return [
        _report.exactly(f"{name}: requests failed", len(trial.verdict.faults), 0, "", f"of {trial.verdict.asked:,}"),
        _report.exactly(f"{name}: reloads", reloads, 0, "", "same workers and generation" if all(same) else "CHANGED"),
        _report.at_most(f"{name}: change made meanwhile in force after", took, 2, "s", "from the process's start"),
    ]  # fmt: skip


def _from_the_disk(world: World, routes: int, told: Told) -> list[Row]:
    """Kill nginx's master and all its workers where no controller is."""
    with Gateway(world.objects(), access_log=False, start_timeout=180) as gateway:
        told(f"writing {routes:,} routes")
        text = "---\n".join(
            bulk.INGRESS.format(name=f"r{n}", namespace="resilience", annotations="", host=f"r{n}.example",
                                path="/", service="web")
            for n in range(routes)
        )  # fmt: skip
        gateway.folder.write_text("bulk.yaml", text)
        _fleet.wait_for(gateway, f"r{routes - 1}.example", status=200)
        gateway.kill()
        took = []
        for n in range(3):
            told(f"nginx killed, {n + 1} of 3")
            status = gateway.status()
            start = time.monotonic()
            for pid in (status["master"], *status["workers"]):
                os.kill(pid, signal.SIGKILL)
            gateway.eventually(f"r{routes - 1}.example", status=200, timeout=60)
            took.append(time.monotonic() - start)
            time.sleep(6)
    detail = ", ".join(f"{t:.2f}" for t in took)
    return [_report.at_most(f"nginx killed → serving again, {routes:,} routes", max(took), 1, "s", detail)]


def _handovers(world: World, count: int, told: Told) -> list[Row]:
    """Replace nginx by another again and again under saturating load; then reload it as often, as a HUP does."""
    lost: dict[str, list[wrk.Load]] = {"hand-overs": [], "reloads": []}
    with Gateway(world.objects(), access_log=False) as gateway:
        gateway.kill()
        target = wrk.Target(f"http://127.0.0.1:{gateway.http_port}", [("GET", "/", {"Host": HOST})])
        for what, loads in lost.items():
            told(f"{count} {what} under wrk -c32")
            changes = threading.Thread(target=_change, args=(gateway, what, count))
            changes.start()
            while changes.is_alive():
                loads.append(wrk.run(target, seconds=2, connections=32))
            changes.join()
    errors = {what: sum(load.errors for load in loads) for what, loads in lost.items()}
    requests = {what: sum(load.requests for load in loads) for what, loads in lost.items()}
    refused = sum(load.connect_errors for load in lost["hand-overs"])
    name = f"{count} hand-overs to a new nginx under wrk -c32"
    return [
        _report.exactly(f"{name}: connections refused", refused, 0, "", f"of {requests['hand-overs']:,} requests"),
        _report.stated(f"{name}: requests lost", errors["hand-overs"], "",
                       f"{count} reloads beside it: {errors['reloads']} of {requests['reloads']:,}"),
    ]  # fmt: skip


def _change(gateway: Gateway, what: str, count: int) -> None:
    for n in range(count):
        if what == "hand-overs":
            keeper.ask(gateway.state_dir / "keeper.sock", "handover")
        else:
            victims.reload(gateway, f"r{n}")
        time.sleep(0.5)


def _cold_starts(world: World, count: int, told: Told) -> list[Row]:
    """Start from nothing; whoever waits for ``/readyz`` may never meet a route that is not there yet."""
    wrong, asked, took = 0, 0, []
    extra = [world.services.ingress(f"c{n}", rule(f"c{n}.example", path("/", "web"))) for n in range(200)]
    for n in range(count):
        told(f"cold start {n + 1} of {count}")
        gateway = Gateway([*world.objects(), *extra], access_log=False)
        start = time.monotonic()
        with gateway:
            took.append(time.monotonic() - start)
            for host in [HOST, *(f"c{i}.example" for i in range(0, 200, 10))]:
                asked += 1
                wrong += http.get(gateway.http_port, host=host).status != 200
    return [
        _report.exactly(f"{count} cold starts: answers other than 200 once ready", wrong, 0, "",
                        f"of {asked}; ready after {_report.quantile(took, 0.5):.2f} s (median)"),
    ]  # fmt: skip
