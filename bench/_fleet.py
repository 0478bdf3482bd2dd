"""Gateways with many applications on a few fast backends, as most benchmarks here need them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness import http, manifests, nginx, waiting
from harness.bulk import Fleet
from harness.gateway import Gateway

CONFIG = {"worker-processes": "2", "keep-alive-requests": "1000000000", "ssl-redirect": "false"}
"""Two workers, so that "every worker" means something; connections last, so that each stays with its worker."""


@dataclass(frozen=True, slots=True)
class Instances:
    """Named fast backends in one nginx."""

    addresses: Mapping[str, tuple[str, int]]

    def listed(self) -> tuple[tuple[str, int], ...]:
        """Give the addresses in the order of the names."""
        return tuple(self.addresses.values())


@contextlib.contextmanager
def instances(names: Sequence[str], *, size: int = 64, cores: set[int] | None = None) -> Iterator[Instances]:
    """Start fast backends with these names, on one port and an address each."""
    port = waiting.free_ports(1)[0]
    addresses = {name: (f"127.0.{2 + i // 250}.{1 + i % 250}", port) for i, name in enumerate(names)}
    with nginx.fast_backends({n: f"{a}:{p}" for n, (a, p) in addresses.items()}, size=size, cores=cores):
        yield Instances(addresses)


@contextlib.contextmanager
def gateway(
    files: Iterator[tuple[str, str]] | Sequence[tuple[str, str]] = (),
    *,
    config: Mapping[str, str] | None = None,
    args: Sequence[str] = (),
    access_log: bool = True,
) -> Iterator[Gateway]:
    """Start a gateway on these files and wait until it is ready."""
    made = Gateway(access_log=access_log, args=args, start_timeout=300)
    made.folder.write("global.yaml", manifests.config_map({**CONFIG, **(config or {})}))
    made.folder.write_many(files)
    with made:
        yield made


def idle(count: int, at: tuple[str, int]) -> list[tuple[str, str]]:
    """Give the files of applications that are only there."""
    address, port = at
    fleet = Fleet(count, port=port, address=address, domain="idle.example", prefix="idle")
    return [("idle.yaml", fleet.one_file())]


def wait_for(
    made: Gateway, host: str, path: str = "/", *, status: int = 200, timeout: float = 60
) -> http.Response:
    """Wait until a host answers as it should."""
    return made.eventually(host, path, status=status, timeout=timeout)


def wait_until_quiet(made: Gateway, seconds: float = 0.5) -> None:
    """Wait until no new version has come into force for a while."""
    version, since = -1, time.monotonic()
    while time.monotonic() - since < seconds:
        if (now := made.status()["version"]) != version:
            version, since = now, time.monotonic()
        time.sleep(0.02)
