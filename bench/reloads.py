"""Reloads for 10,000 changes of routes, endpoints, certificates, timeouts and weights: none, and all are in force."""

from __future__ import annotations

import time

from bench import _fleet, _report
from bench._report import Row, Told
from harness import certs, http, manifests, waiting
from harness.gateway import Gateway

APPS = 100
KINDS = ("route", "endpoint", "certificate", "timeout", "weight")
CHANGES, QUICK_CHANGES = 10_000, 500
RATE = 500
"""Changes a second."""

PAIRS = 8
"""Certificates of each host, made before and used in turn."""


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Make the changes and look at the counter."""
    count = QUICK_CHANGES if quick else CHANGES
    with (
        _fleet.instances(["first", "second", "canary"]) as instances,
        _fleet.gateway(access_log=False) as gateway,
    ):
        told(f"making {APPS * PAIRS} certificates")
        apps = Apps(gateway, instances)
        for app in range(APPS):
            for kind in (*KINDS, "service"):
                gateway.folder.write(f"{app}-{kind}.yaml", *apps.objects(app, kind, 0))
        _fleet.wait_for(gateway, apps.host(APPS - 1), "/v0", status=200)
        time.sleep(1)
        before, start = gateway.status(), time.monotonic()
        for n in range(count):
            app, kind, turn = n // len(KINDS) % APPS, KINDS[n % len(KINDS)], n // len(KINDS) // APPS + 1
            gateway.folder.write(f"{app}-{kind}.yaml", *apps.objects(app, kind, turn))
            time.sleep(max(start + n / RATE - time.monotonic(), 0))
            if n % 500 == 0:
                told(f"{n:,} of {count:,} changes")
        took = time.monotonic() - start
        wrong = apps.count_wrong((count - 1) // len(KINDS) // APPS + 1)
        after = gateway.status()
    deltas = after["version"] - before["version"]
    detail = f"in {took:.0f} s, {deltas:,} deltas"
    return [
        _report.exactly(f"reloads for {count:,} changes of {', '.join(KINDS)}", after["reloads"] - before["reloads"],
                        0, "", detail),
        _report.exactly("of these not in force at the end", wrong, 0, "", f"{APPS} applications asked"),
    ]  # fmt: skip


class Apps:
    """Applications whose every aspect has a turn: the file of one aspect is all that changes."""

    def __init__(self, gateway: Gateway, instances: _fleet.Instances) -> None:
        self._gateway, self._instances = gateway, instances
        self._names = list(instances.addresses)
        authority = certs.Authority()
        self._pairs = [[authority.issue(self.host(app)) for _ in range(PAIRS)] for app in range(APPS)]

    def host(self, app: int) -> str:
        """Give the host of an application."""
        return f"a{app}.reloads.example"

    def objects(self, app: int, kind: str, turn: int) -> list[manifests.Manifest]:
        """Give what the file of one aspect holds at its turn."""
        name, host = f"a{app}", self.host(app)
        if kind == "route":
            rule = manifests.rule(host, manifests.path(f"/v{turn}", name))
            return [manifests.ingress(f"{name}-route", rule, tls=[([host], name)])]
        if kind == "timeout":
            rule = manifests.rule(host, manifests.path("/fixed", name))
            return [manifests.ingress(f"{name}-timeout", rule, annotations={"proxy-read-timeout": 30 + turn})]
        if kind == "weight":
            rule = manifests.rule(host, manifests.path("/fixed", "canary"))
            wish = {"canary": "true", "canary-weight": 100 * (turn % 2)}
            return [manifests.ingress(f"{name}-weight", rule, annotations=wish)]
        if kind == "endpoint":
            address, port = self._instances.addresses[self._names[turn % 2]]
            return [manifests.endpoint_slice(name, port, [address])]
        if kind == "certificate":
            return [manifests.tls_secret(name, self._pairs[app][turn % PAIRS])]
        address, port = self._instances.addresses["canary"]
        return [
            manifests.service(name),
            manifests.service("canary"),
            manifests.endpoint_slice("canary", port, [address]),
        ][: 3 if app == 0 else 1]

    def count_wrong(self, turn: int) -> int:
        """Count the aspects that are not what the last turn says, once they had time."""
        last = APPS - 1
        waiting.until(lambda: not self._wrong(last, turn), 20, 0.01, why="the last change in force")
        return sum(len(self._wrong(app, turn)) for app in range(APPS))

    def _wrong(self, app: int, turn: int) -> list[str]:
        port, host = self._gateway.http_port, self.host(app)
        with http.Connection(self._gateway.https_port, tls=certs.credulous(), sni=host) as connection:
            serial = connection.certificate().serial_number
        weighted = "canary" if turn % 2 else self._names[turn % 2]
        seen = {
            "route": http.get(port, f"/v{turn}", host=host).status == 200,
            "no older route": http.get(port, f"/v{turn - 1}", host=host).status == 404,
            "certificate": serial == self._pairs[app][turn % PAIRS].serial,
            "endpoint or weight": http.get(port, "/fixed", host=host).backend == weighted,
        }
        return [name for name, right in seen.items() if not right]
