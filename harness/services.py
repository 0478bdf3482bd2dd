"""Services with real instances behind them, for tests that each want a namespace of their own."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Protocol

from harness import manifests
from harness.backends import Backend, Backends
from harness.manifests import Manifest


class Listening(Protocol):
    """Anything with an address and a port."""

    address: str
    port: int


class Services:
    """Makes Services in one namespace, each with instances in a pool."""

    def __init__(self, pool: Backends, namespace: str) -> None:
        self._pool, self.namespace = pool, namespace

    def make(self, *names: str, count: int = 1) -> list[Manifest]:
        """Give Services of port 80; instances are named ``<namespace>-<name>-<number>``."""
        made: list[Manifest] = []
        for name in names:
            made += self.of(name, self.start(name, count))
        return made

    def start(self, name: str, count: int = 1, *, tls: ssl.SSLContext | None = None) -> list[Backend]:
        """Start instances."""
        return self._pool.group(f"{self.namespace}-{name}", count, tls=tls)

    def of(self, name: str, instances: Sequence[Listening], *, app_protocol: str = "") -> list[Manifest]:
        """Give the Service and the slice of instances."""
        return [
            manifests.service(name, namespace=self.namespace, app_protocol=app_protocol),
            manifests.endpoint_slice(
                name, instances[0].port, [b.address for b in instances], namespace=self.namespace
            ),
        ]

    def ingress(self, name: str, *rules: dict[str, object], **options: object) -> Manifest:
        """Give an Ingress in this namespace."""
        return manifests.ingress(name, *rules, namespace=self.namespace, **options)  # type: ignore[arg-type]

    def instance(self, name: str, number: int = 0) -> str:
        """Give the name of an instance, as its answers carry it."""
        return f"{self.namespace}-{name}-{number}"
