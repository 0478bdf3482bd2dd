"""Requests lost while the gateway changes under load; where that needs reloads, beside stock nginx."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from bench import _fleet, _report, _rotation
from bench._report import Row, Told
from harness import manifests, nginx, waiting, wrk
from harness.gateway import Gateway
from harness.ledger import Call, Ledger, Outcomes

FULL, QUICK = (1_000_000, 20, 1_000), (20_000, 4, 100)
"""Requests under wrk; changes that need a new profile; paced clients under them."""

ROUTE_EDITS, ENDPOINT_CHANGES = 100, 1_000
RATE = 1_000
"""Requests a second of all paced clients together."""


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Measure under saturating load, under paced clients, and under handshakes."""
    with _fleet.instances([f"i{n}" for n in range(5)]) as instances:
        wanted, changes, clients = QUICK if quick else FULL
        return _report.each(
            {
                "edits under load": lambda: _edits(wanted, instances, told),
                "new profiles": lambda: _profiles(changes, clients, instances, told),
                "certificate rotation": lambda: _rotation.rows(5 if quick else 60, told),
            }
        )


# --- route edits and endpoint changes under wrk ---------------------------------------------------------------------


def _edits(wanted: int, instances: _fleet.Instances, told: Told) -> list[Row]:
    """Load in runs of some seconds until enough requests are made; edit all the while."""
    made: list[wrk.Load] = []
    with _fleet.gateway(access_log=False) as gateway:
        edits = _Edits(gateway, instances)
        _fleet.wait_for(gateway, "loss.example")
        target = wrk.Target(f"http://127.0.0.1:{gateway.http_port}", [("GET", "/", {"Host": "loss.example"})])
        rate = wrk.run(target, seconds=1).requests
        edits.start(max(wanted / rate, 1) * 0.9)
        while sum(load.requests for load in made) < wanted or edits.alive:
            told(f"{sum(load.requests for load in made):,} of {wanted:,} requests, {edits.done} changes")
            made.append(wrk.run(target, seconds=2 if wanted < FULL[0] else 10, connections=32))
        edits.finish()
        reloads = gateway.reloads
    requests, errors = sum(x.requests for x in made), sum(x.errors for x in made)
    measure = f"{ROUTE_EDITS} route edits and {ENDPOINT_CHANGES:,} endpoint changes under wrk -c32"
    return [
        _report.exactly(
            f"{measure}: socket errors + non-2xx", errors, 0, "", f"of {requests:,}; {reloads} reloads"
        ),
        _report.at_least(f"{measure}: requests", requests, wanted, ""),
    ]


class _Edits:
    """Edits, spread evenly over some seconds."""

    def __init__(self, gateway: Gateway, instances: _fleet.Instances) -> None:
        self._folder = gateway.folder
        self._all = instances.listed()
        self._thread: threading.Thread | None = None
        self.done = 0
        self._folder.write("service.yaml", manifests.service("loss"))
        self._route(0)
        self._endpoints(0)

    def start(self, seconds: float) -> None:
        self._thread = threading.Thread(target=self._run, args=(seconds,), daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def finish(self) -> None:
        assert self._thread is not None
        self._thread.join()
        if self.done != ROUTE_EDITS + ENDPOINT_CHANGES:
            raise RuntimeError(f"only {self.done} edits were made")

    def _run(self, seconds: float) -> None:
        each, start = ENDPOINT_CHANGES // ROUTE_EDITS, time.monotonic()
        for n in range(ENDPOINT_CHANGES):
            time.sleep(max(start + seconds * n / ENDPOINT_CHANGES - time.monotonic(), 0))
            self._endpoints(n + 1)
            self.done += 1
            if n % each == 0:
                self._route(n + 1)
                self.done += 1

    def _route(self, turn: int) -> None:
        more = [manifests.path(f"/other-{turn}", "loss")] if turn % 2 else []
        rule = manifests.rule("loss.example", manifests.path("/", "loss"), *more)
        wish = {"proxy-read-timeout": 30 + turn % 30}
        self._folder.write("ingress.yaml", manifests.ingress("loss", rule, annotations=wish))

    def _endpoints(self, turn: int) -> None:
        """Leave out one instance after the other."""
        kept = [a for i, (a, _) in enumerate(self._all) if i != turn % len(self._all)]
        self._folder.write("slice.yaml", manifests.endpoint_slice("loss", self._all[0][1], kept))


# --- changes that need a new profile, beside HUPs of stock nginx ------------------------------------------------------


def _profiles(changes: int, clients: int, instances: _fleet.Instances, told: Told) -> list[Row]:
    port = instances.listed()[0][1]
    with _fleet.gateway(access_log=False, config={"keep-alive-requests": "1000"}) as gateway:
        gateway.folder.write(
            "app.yaml",
            manifests.service("app"),
            manifests.endpoint_slice("app", port, [a for a, _ in instances.listed()]),
            *(_app(f"stable-{i}", {}) for i in range(20)),
        )
        _fleet.wait_for(gateway, "stable-19.example")
        before = gateway.reloads
        told(f"{changes} new profiles, one a second, under {clients:,} paced clients")

        def change(number: int) -> None:
            gateway.folder.write(
                "changed.yaml", _app("changed", {"proxy-body-size": f"{_kibibytes(number)}k"})
            )

        ours = _paced(gateway.http_port, clients, changes, change, set(instances.addresses))
        waiting.until(lambda: _accepts(gateway, changes - 1), 60, 0.1, why="the last profile in force")
        reloads = gateway.reloads - before
    told(f"{changes} HUPs of stock nginx, one a second, under {clients:,} paced clients")
    stock = _stock(instances, clients, changes)
    wrong = sum(ours.wrong.values()) + sum(ours.status.values())
    measure = f"{changes} changes that need a new profile, {clients:,} paced keepalive clients"
    beside = f"stock nginx, {changes} HUPs: {stock.bad} of {stock.sent:,} lost {dict(stock.lost)}"
    detail = f"{dict(ours.lost)}, {reloads} reloads; {beside}"
    return [
        _report.stated(
            f"{measure}: requests lost", sum(ours.lost.values()), "", f"of {ours.sent:,}; {detail}"
        ),
        _report.exactly(
            f"{measure}: wrong answers", wrong, 0, "", str(dict(ours.status + ours.wrong)) if wrong else ""
        ),
    ]


def _app(name: str, annotations: dict[str, str]) -> manifests.Manifest:
    return manifests.ingress(
        name, manifests.rule(f"{name}.example", manifests.path("/", "app")), annotations=annotations
    )


def _kibibytes(number: int) -> int:
    """Give a limit for bodies that nobody else has, larger with each number."""
    return 3001 + 7 * number


def _accepts(gateway: Gateway, number: int) -> bool:
    """Tell whether a body of just this limit passes, which no profile before allows."""
    body = b"x" * (_kibibytes(number) * 1024)
    return gateway.get("changed.example", method="POST", body=body).status == 200


def _paced(
    port: int, clients: int, changes: int, change: Callable[[int], object], allowed: set[str]
) -> Outcomes:
    calls = [Call(f"stable-{i}.example", allowed=lambda: allowed) for i in range(20)]
    with Ledger(port, calls, clients=clients, rate=clients * RATE / FULL[2]) as ledger:
        time.sleep(2)
        for number in range(changes):
            change(number)
            time.sleep(1)
        time.sleep(2)
    return ledger.outcomes


_STOCK = """
error_log stderr crit;
events {{ worker_connections 16384; multi_accept on; }}
http {{
    access_log off;
    upstream backend {{ server {address}:{port}; keepalive 320; }}
    server {{
        listen 127.0.0.1:{own} reuseport;
        location / {{ proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://backend; }}
    }}
}}
"""


def _stock(instances: _fleet.Instances, clients: int, changes: int) -> Outcomes:
    address, port = instances.listed()[0]
    own = waiting.free_ports(1)[0]
    with nginx.Nginx(_STOCK.format(address=address, port=port, own=own), workers=2) as server:
        return _paced(own, clients, changes, lambda _: server.reload(), set(instances.addresses))
