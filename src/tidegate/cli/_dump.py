"""The entries in force, asked of the keeper, so that a dead controller is no hindrance. Secrets stay in here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tidegate import model
from tidegate.app import NotRunning, ask
from tidegate.cli._errors import WorldFailed
from tidegate.translate.explain import Entries, algorithm_of, rules_of


def in_force(state_dir: Path) -> Entries:
    """Give what nginx serves. Raises `WorldFailed` if no keeper answers."""
    from tidegate.dataplane import push

    async def dump() -> model.Delta:
        client = push.KeeperClient(state_dir)
        try:
            return await client.dump()
        finally:
            await client.close()

    try:
        found = asyncio.run(dump())
    except push.KeeperError as error:
        raise WorldFailed(str(error)) from error
    return Entries({key: value for key, value in found.changes.items() if value is not None})


def node_in_force(state_dir: Path) -> model.NodeSettings:
    """Give the node settings of the gateway; the built-in ones if its controller does not answer."""
    try:
        info = asyncio.run(ask(state_dir, "info"))
    except NotRunning:
        return model.NodeSettings()
    return msgspec.convert(info["node"], model.NodeSettings)


class RouteRow(msgspec.Struct, frozen=True):
    """One rule in force, and where it leads."""

    host: str
    kind: str
    path: str
    route: str
    ingress: str
    service: str
    backend: str
    endpoints: int
    canary: str
    profile: str
    denied: str
    settings: dict[str, object]


def routes(entries: Entries) -> Iterator[RouteRow]:
    """Give every rule of every host, the default backends, and what is sent on as it is."""
    yield from _streams(entries)
    for key in sorted(key for key in entries if key.startswith("h/")):
        host, name = entries[key], key.split("/", 2)[2]
        if not isinstance(host, model.Host):
            continue
        for rule in rules_of(entries, name, host):
            kind = "Regex" if host.regex else "Exact" if rule.kind is model.PathKind.EXACT else "Prefix"
            yield _row(entries, name, kind, rule.path, rule.route)
        if host.fallback:
            yield _row(entries, name, "Default", "", host.fallback)


_KINDS = {"tcp": "TCP", "udp": "UDP", "sni": "Passthrough"}


def _streams(entries: Entries) -> Iterator[RouteRow]:
    for key in sorted(key for key in entries if key.startswith("p/")):
        found = entries[key]
        kind, _, name = key.removeprefix("p/").partition("/")
        if isinstance(found, model.Target):
            yield RouteRow(
                host=name if kind == "sni" else f":{name}",
                kind=_KINDS.get(kind, kind),
                path="",
                route="",
                ingress="",
                service=f"{found.service}:{found.port}",
                backend=f"{found.namespace}/{found.service}/{found.port}",
                endpoints=len(found.endpoints),
                canary="",
                profile="",
                denied="",
                settings={},
            )


def _row(entries: Entries, host: str, kind: str, path: str, route_id: str) -> RouteRow:
    found = entries.get(f"r/{route_id}")
    route = found if isinstance(found, model.Route) else model.Route()
    backend = backend_of(entries, route.backend)
    return RouteRow(
        host=host,
        kind=kind,
        path=path,
        route=route_id,
        ingress=f"{route.namespace}/{route.ingress}".strip("/"),
        service=f"{route.service}:{route.port}".strip(":"),
        backend=route.backend,
        endpoints=len(backend.endpoints),
        canary=backend.canary.backend if backend.canary else "",
        profile=route.profile,
        denied=route.deny,
        settings=route.settings,
    )


def backend_of(entries: Entries, name: str) -> model.Backend:
    """Give a backend by id; one without endpoints if there is none."""
    found = entries.get(f"b/{name}")
    return found if isinstance(found, model.Backend) else model.Backend()


class BackendRow(msgspec.Struct, frozen=True):
    """One backend in force."""

    backend: str
    algorithm: str
    """In effect: the backend's own, else the ConfigMap's."""
    endpoints: list[str]
    draining: list[str]
    """Those that end soon and only keep the sessions they have."""
    hash_by: str
    cookie: str
    """Name of the session cookie; empty if there are no sessions."""
    canary: dict[str, object] | None
    check: str = ""
    """What is checked, and how often; empty if nothing is."""


def backends(entries: Entries) -> Iterator[BackendRow]:
    """Give every backend."""
    settings = entries.get("g")
    values = settings.values if isinstance(settings, model.Settings) else {}
    for key in sorted(key for key in entries if key.startswith("b/")):
        found = backend_of(entries, key[2:])
        yield BackendRow(
            backend=key[2:],
            algorithm=algorithm_of(found, values),
            endpoints=[address(e) for e in found.endpoints],
            draining=[address(e) for e in found.draining],
            hash_by=_hash_key(found.hash_by) if found.hash_by and not found.affinity else "",
            cookie=found.affinity.name if found.affinity else "",
            canary=msgspec.to_builtins(found.canary) if found.canary else None,
            check=_check(found.check) if found.check else "",
        )
    for key in sorted(key for key in entries if key.startswith("p/")):
        target = entries[key]
        if isinstance(target, model.Target):
            yield BackendRow(
                backend=f"{target.namespace}/{target.service}/{target.port} ({key[2:]})",
                algorithm="round_robin",
                endpoints=[address(e) for e in target.endpoints],
                draining=[],
                hash_by="",
                cookie="",
                canary=None,
            )


def _check(check: model.HealthCheck) -> str:
    what = check.path if check.kind == "http" else check.service
    return f"checked by {check.kind}{' ' if what else ''}{what} every {check.interval:g} s"


def _hash_key(hash_by: model.HashBy) -> str:
    return "".join(f"${part}" if at % 2 else part for at, part in enumerate(hash_by.key))


def address(endpoint: model.Endpoint) -> str:
    """Give an endpoint as it is written in a URL."""
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return f"{host}:{endpoint.port}"


class CertificateRow(msgspec.Struct, frozen=True):
    """One certificate in force, without its key."""

    certificate: str
    names: tuple[str, ...]
    not_before: int
    not_after: int
    fingerprint: str
    hosts: tuple[str, ...]
    """Hosts that use it."""


def certificates(entries: Entries) -> Iterator[CertificateRow]:
    """Give every certificate with the hosts that use it, then the hosts that use the default one."""
    users: dict[str, list[str]] = {}
    for key in sorted(key for key in entries if key.startswith("t/")):
        host = entries[key]
        if isinstance(host, model.TlsHost):
            users.setdefault(host.certificate, []).append(key[2:])
    default = users.pop("", [])
    for key in sorted(key for key in entries if key.startswith("c/")):
        found = entries[key]
        if isinstance(found, model.Certificate):
            name = key[2:]
            hosts = (*users.get(name, ()), *(default if name == "_default" else ()))
            yield CertificateRow(
                name, found.names, found.not_before, found.not_after, found.fingerprint, hosts
            )
    if default and "c/_default" not in entries:
        yield CertificateRow("(built-in, self-signed)", (), 0, 0, "", tuple(default))
