"""The whole of ``nginx.conf``."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.dataplane.access_log import NOWHERE, Destination
from tidegate.dataplane.install import Installation
from tidegate.dataplane.render import (
    _access_log,
    _backend_tls,
    _forwarding,
    _interim,
    _profiles,
    _protocols,
    _servers,
    _streams,
    _tls,
    _upstreams,
)
from tidegate.model import NodeSettings, Profile, ServerProfile

LUA_FOLDER = Path(__file__).parents[1] / "lua"
"""Holds the package ``tidegate`` of the Lua side."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A configuration, and what the keeper must know of it."""

    text: str
    generation: str
    """Twelve hex digits made of the content."""
    profiles: dict[str, int]
    """Ids of all profiles; of a location profile with its largest body in bytes (0: no limit)."""
    listeners: tuple[tuple[str, int], ...]
    """Address and port of every TCP socket."""
    workers: int
    files: dict[str, str] = field(default_factory=dict)
    """Texts that nginx reads from files beside its configuration (``write_files``), by name."""
    datagrams: tuple[tuple[str, int], ...] = ()
    """Address and port of every UDP socket."""
    access_log: Destination = NOWHERE
    """Where the keeper's writer of the access log writes."""


def render(
    node: NodeSettings,
    profiles: Collection[Profile],
    installation: Installation,
    *,
    servers: Collection[ServerProfile] = (),
    worker_user: str | None = None,
) -> Rendered:
    """Give the configuration for these settings and profiles; the same input gives the same bytes.

    ``servers`` has one profile for each host at most. The documents that it names must be in the state folder.

    ``worker_user`` is the account that workers run as, if the master runs as root.
    """
    every = _profiles.all_profiles(profiles)
    limits = {profile.id: _profiles.body_limit(profile, node) for profile in every}
    body = "\n".join(_lines(node, every, servers, installation, worker_user))
    # What is told to the Lua side counts too: some of it stands nowhere else.
    told = _init(node, "", limits, every, servers)
    generation = hashlib.sha256((body + told).encode()).hexdigest()[:12]
    text = body.replace(_INIT, _init(node, generation, limits, every, servers)) + "\n"
    ports = (node.http_port, node.https_port, node.status_port, *_ports(node, "tcp"))
    return Rendered(
        text,
        generation,
        limits | dict.fromkeys((server.id for server in servers), 0),
        _everywhere(node, ports),
        node.workers,
        files=_backend_tls.files(every),
        datagrams=_everywhere(node, _ports(node, "udp")),
        access_log=_access_log.destination(node),
    )


def _ports(node: NodeSettings, protocol: str) -> tuple[int, ...]:
    return tuple(item.port for item in node.stream_ports if item.protocol == protocol)


def _everywhere(node: NodeSettings, ports: Iterable[int]) -> tuple[tuple[str, int], ...]:
    return tuple((address, port) for port in ports for address in node.bind_addresses)


_INIT = "init_by_lua_block { }"


def _is_secured(profile: Profile) -> bool:
    return _protocols.protocol_of(profile) in {*_backend_tls.PROTOCOLS, "auto_http"}


def _table(values: dict[str, str]) -> str:
    return ", ".join(f'["{name}"] = "{value}"' for name, value in values.items())


def _init(
    node: NodeSettings,
    generation: str,
    limits: dict[str, int],
    every: list[Profile],
    servers: Collection[ServerProfile],
) -> str:
    protocols = {profile.id: name for profile in every if (name := _protocols.protocol_of(profile))}
    once = ", ".join(f'["{profile.id}"] = true' for profile in every if _protocols.tries_once(profile, node))
    scripts = {p.id: " ".join(params) for p in every if (params := _protocols.script_params(p))}
    secured = {profile.id: _backend_tls.identity_of(profile) for profile in every if _is_secured(profile)}
    known = ", ".join(f'["{id_}"] = {limit}' for id_, limit in limits.items())
    cidrs = ", ".join(f'"{cidr}"' for cidr in node.real_ip_cidrs if _forwarding.is_chained(node))
    return f"""init_by_lua_block {{
        require("tidegate.init").master {{
            generation = "{generation}",
            https_port = {node.https_port},
            is_chained = {str(_forwarding.is_chained(node)).lower()},
            forwarded_for = "{node.forwarded_for_header.lower().replace("-", "_")}",
            trusted = {{ {cidrs} }},
            trusts_forwarded = {str(_forwarding.trusts_forwarded(node)).lower()},
            makes_request_ids = {str(node.generate_request_id).lower()},
            stream_timeout = {max(node.stream_timeout, node.read_timeout)},
            timeouts = {{ connect = {node.connect_timeout}, send = {node.send_timeout}, read = {node.read_timeout} }},
            pools = {{ {_upstreams.pools(node)} }},
            profiles = {{ {known} }},
            tries_once = {{ {once} }},
            protocols = {{ {_table(protocols)} }},
            secured = {{ {_table(secured)} }},
            scripts = {{ {_table(scripts)} }},
            streams = {str(_streams.is_used(node)).lower()},
            log = {_access_log.lua(node)},
            stapling = {str(node.ocsp_stapling).lower()},
            tracing = {str(bool(node.otlp_host)).lower()},
            servers = {_tls.known_servers(servers)},
            metrics = {_metrics(node)},
        }}
    }}"""


def _metrics(node: NodeSettings) -> str:
    def numbers(values: Iterable[float]) -> str:
        return ", ".join(f"{value:.17g}" for value in values)

    return f"""{{
                mode = "{node.metrics}",
                cells = {node.metrics_cells},
                per_host = {str(node.metrics_per_host).lower()},
                classes = {str(node.metrics_status_classes).lower()},
                times = {{ {numbers(node.time_buckets)} }},
                lengths = {{ {numbers(node.length_buckets)} }},
                sizes = {{ {numbers(node.size_buckets)} }},
            }}"""


def _lines(
    node: NodeSettings,
    profiles: list[Profile],
    servers: Collection[ServerProfile],
    installation: Installation,
    user: str | None,
) -> Iterator[str]:
    yield "daemon off;"
    if user:
        yield f"user {user};"
    yield "pid nginx.pid;"
    yield "error_log stderr notice;"
    yield f"worker_processes {node.workers};"
    yield f"worker_shutdown_timeout {node.worker_shutdown_timeout}s;"
    yield from installation.module_lines()
    yield "events {"
    yield f"    worker_connections {node.worker_connections};"
    yield "}"
    yield "http {"
    for line in (*_http(node, installation), *_tls.http_lines(node)):
        yield f"    {line}"
    for block in (
        _upstreams.blocks(node, profiles),
        _servers.entry(node, profiles, tls=False),
        _servers.entry(node, profiles, tls=True, more=bool(servers)),
        *(_servers.entry(node, profiles, tls=True, guard=guard) for guard in _tls.guarded(servers)),
        _servers.status(node),
        _servers.push(),
    ):
        for line in block:
            yield f"    {line}"
    yield "}"
    yield from _streams.block(node)


def _http(node: NodeSettings, installation: Installation) -> Iterator[str]:
    yield f'lua_package_path "{LUA_FOLDER}/?.lua;{LUA_FOLDER}/?/init.lua;{installation.lua_path}";'
    yield f'lua_package_cpath "{installation.lua_cpath}";'
    yield f"lua_shared_dict tidegate_store {node.store_bytes};"
    yield "lua_shared_dict tidegate_control 1m;"
    yield "lua_shared_dict tidegate_counters 16m;"
    yield "lua_shared_dict tidegate_health 8m;"
    # By default the log phase gives free memory back to the system every 1,000 requests, only to fault it in again.
    yield "lua_malloc_trim 0;"
    # Looking after endpoints that are down fails by nature (endpoints/).
    yield "lua_socket_log_errors off;"
    # With its headers towards the backend and the state of the Lua phases a request takes 8 to 9 KiB; a second block costs
    # 1,600 instructions.
    yield "request_pool_size 12k;"
    # Tenants' patterns run with a bound on backtracking, and each is compiled once per worker.
    yield "lua_regex_match_limit 100000;"
    yield "lua_regex_cache_max_entries 16384;"
    yield _INIT
    yield "init_worker_by_lua_block { require('tidegate.init').worker() }"
    for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
        yield f"{'client_body' if name == 'body' else name}_temp_path temp-{name};"
    yield from _log(node)
    yield from _clients(node)
    yield from _interim.http_lines()
    yield from _protocols.http_lines(node)
    yield from _forwarding.http_lines(node)


def _log(node: NodeSettings) -> Iterator[str]:
    yield "uninitialized_variable_warn off;  # see @variables"
    yield from _access_log.http_lines(node)


def _clients(node: NodeSettings) -> Iterator[str]:
    count, size = node.large_client_header_buffers
    yield f"keepalive_timeout {node.keepalive_timeout}s;"
    yield f"keepalive_requests {node.keepalive_requests};"
    yield f"client_header_timeout {node.client_header_timeout}s;"
    yield f"client_body_timeout {node.client_body_timeout}s;"
    yield f"client_header_buffer_size {node.client_header_buffer_size};"
    yield f"large_client_header_buffers {count} {size};"
    yield f"client_body_buffer_size {node.client_body_buffer_size};"
    yield f"client_max_body_size {node.body_size};"
    yield f"http2 {_switch(node.http2)};"
    yield f"http2_max_concurrent_streams {node.http2_max_concurrent_streams};"
    yield f"underscores_in_headers {_switch(node.underscores_in_headers)};"
    yield f"ignore_invalid_headers {_switch(node.ignore_invalid_headers)};"
    yield f"server_tokens {_switch(node.server_tokens)};"
    yield "reset_timedout_connection on;"
    yield "tcp_nodelay on;"
    yield "default_type text/html;"


def _switch(value: bool, /) -> str:  # noqa: FBT001 -- the value itself, not a mode
    return "on" if value else "off"
