"""Certificates of 100 hosts, each renewed once a second, under 100 new handshakes a second."""

from __future__ import annotations

import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable

from bench import _fleet, _report
from bench._report import Row, Told
from harness import certs, manifests
from harness.gateway import Gateway
from harness.ledger import Call, Ledger

HOSTS = 100
PAIRS = 6
"""Certificates of each host, made before and used in turn."""

GRACE = 2.0
"""Seconds for which the certificate before may still be shown."""


def rows(seconds: int, told: Told) -> list[Row]:
    """Rotate and shake hands; every handshake must verify and show a certificate that is in force."""
    told(f"making {HOSTS * PAIRS} certificates")
    authority = certs.Authority()
    with _fleet.instances(["tls"]) as instances, _fleet.gateway(access_log=False) as gateway:
        hosts = Hosts(gateway, authority, instances.listed()[0])
        _fleet.wait_for(gateway, hosts.name(HOSTS - 1))
        time.sleep(0.5)
        before = gateway.reloads
        calls = [Call(hosts.name(i), allowed=lambda: {"tls"}, shown=hosts.checker(i)) for i in range(HOSTS)]
        told(f"{HOSTS} certificates a second for {seconds} s, under 100 handshakes a second")
        ledger = Ledger(
            gateway.https_port, calls, clients=HOSTS, rate=100, keepalive=False, tls=authority.client()
        )
        with ledger:
            rotations = hosts.rotate(seconds)
        outcomes, reloads = ledger.outcomes, gateway.reloads - before
    measure = f"certificate rotation, {HOSTS} hosts, 1/s each, under 100 handshakes/s"
    detail = f"of {outcomes.handshakes:,} handshakes, {rotations:,} rotations; {dict(outcomes.lost)}"
    return [
        _report.exactly(f"{measure}: failures", outcomes.bad, 0, "", detail),
        _report.exactly(f"{measure}: certificates not in force any more", sum(hosts.stale.values()), 0, ""),
        _report.exactly(f"{measure}: reloads", reloads, 0, ""),
    ]


class Hosts:
    """Hosts with certificates that change, and the times at which they did."""

    def __init__(self, gateway: Gateway, authority: certs.Authority, at: tuple[str, int]) -> None:
        self._folder = gateway.folder
        self._pairs = [[authority.issue(self.name(i)) for _ in range(PAIRS)] for i in range(HOSTS)]
        self._ders = [[ssl.PEM_cert_to_DER_cert(_leaf(p.chain)) for p in pairs] for pairs in self._pairs]
        self._turn = [0] * HOSTS
        self._since = [time.monotonic()] * HOSTS
        self._lock = threading.Lock()
        self.stale: Counter[int] = Counter()
        for i in range(HOSTS):
            self._put(i)
        rule = [manifests.rule(self.name(i), manifests.path("/", "tls")) for i in range(HOSTS)]
        tls = [([self.name(i)], f"tls-{i}") for i in range(HOSTS)]
        service = manifests.service("tls"), manifests.endpoint_slice("tls", at[1], [at[0]])
        self._folder.write(
            "tls.yaml",
            *service,
            manifests.ingress("tls", *rule, tls=tls, annotations={"ssl-redirect": "false"}),
        )

    def name(self, number: int) -> str:
        """Give the name of a host."""
        return f"r{number}.rotation.example"

    def rotate(self, seconds: int) -> int:
        """Renew every certificate once a second; give how often one was renewed."""
        start, done = time.monotonic(), 0
        while done < seconds * HOSTS:
            number = done % HOSTS
            time.sleep(max(start + done / HOSTS - time.monotonic(), 0))
            self._turn[number] += 1
            self._put(number)
            with self._lock:
                self._since[number] = time.monotonic()
            done += 1
        return done

    def checker(self, number: int) -> Callable[[bytes], None]:
        """Give a function that notes a shown certificate which is neither in force nor was until a moment ago."""

        def check(der: bytes) -> None:
            with self._lock:
                turn, since = self._turn[number], self._since[number]
            ders = self._ders[number]
            good = {ders[turn % PAIRS]}
            if time.monotonic() - since < GRACE:
                good |= {ders[(turn - n) % PAIRS] for n in (1, 2)}
            if der not in good:
                self.stale[number] += 1

        return check

    def _put(self, number: int) -> None:
        pair = self._pairs[number][self._turn[number] % PAIRS]
        self._folder.write(f"tls-{number}.yaml", manifests.tls_secret(f"tls-{number}", pair))


def _leaf(chain: str) -> str:
    end = "-----END CERTIFICATE-----"
    return chain[: chain.index(end) + len(end)] + "\n"
