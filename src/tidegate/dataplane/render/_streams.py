"""The stream block: TCP and UDP services, and TLS that is passed through.

Where connections go is data: each upstream block here holds one placeholder, beside which the Lua side puts the
endpoints. What stands in the text are port numbers, and the validated DNS names of passed-through hosts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tidegate.dataplane.render import _access_log
from tidegate.dataplane.render._servers import listen
from tidegate.model import NodeSettings, StreamPort

TLS_SOCKET: Final = "unix:tls.sock"
"""Where the HTTPS server listens while connections come to it through the stream block."""

_PASSTHROUGH_SOCKET: Final = "unix:passthrough.sock"

_PLACEHOLDER: Final = "server 0.0.0.1:1 max_fails=61713 fail_timeout=61713s down;"
"""By these numbers the Lua side (``peers.lua``) makes sure that it looks at what it takes it for."""

_ZONE_BYTES: Final = 8 * 1024 * 1024
_ZONE_BYTES_EACH: Final = 128 * 1024
"""An endpoint takes 512 bytes. Memory that is not used is not taken."""


def is_used(node: NodeSettings) -> bool:
    """Tell whether there is a stream block at all."""
    return bool(node.stream_ports) or node.passthrough


def block(node: NodeSettings) -> Iterator[str]:
    """Give the stream block; nothing where it is not used."""
    if not is_used(node):
        return
    yield "stream {"
    for line in _lines(node):
        yield f"    {line}"
    yield "}"


def _lines(node: NodeSettings) -> Iterator[str]:
    yield "map_hash_bucket_size 512;"
    yield "map_hash_max_size 65536;"
    yield from _access_log.stream_lines(node)
    yield "tcp_nodelay on;"
    yield f"proxy_connect_timeout {node.connect_timeout}s;"
    yield f"proxy_timeout {node.service_timeout}s;"
    yield f"proxy_next_upstream {'on' if node.service_retries else 'off'};"
    yield f"proxy_next_upstream_tries {node.service_tries};"
    yield f"proxy_next_upstream_timeout {node.service_tries_timeout}s;"
    count = len(node.stream_ports) + len(node.passthrough_hosts)
    zone = f"zone tidegate_streams {_ZONE_BYTES + count * _ZONE_BYTES_EACH};"
    for port in node.stream_ports:
        yield f"upstream {_upstream(port)} {{ {zone} {_PLACEHOLDER} }}"
        yield from _port_server(node, port)
    if node.passthrough:
        yield from _passthrough(node, zone)


def _upstream(port: StreamPort) -> str:
    return f"tg_{port.protocol}_{int(port.port)}"


def _port_server(node: NodeSettings, port: StreamPort) -> Iterator[str]:
    yield "server {"
    # Of the sockets of a UDP port each worker has its own, or it would see part of a client's datagrams.
    options = "udp reuseport" if port.protocol == "udp" else "proxy_protocol" if port.decode else ""
    for line in listen(node, port.port, options):
        yield f"    {line}"
    if port.decode:
        for cidr in node.real_ip_cidrs:
            yield f"    set_real_ip_from {cidr};"
    if port.protocol == "udp":
        yield f"    proxy_responses {node.service_responses};"
    elif port.encode:
        yield "    proxy_protocol on;"
    yield f"    proxy_pass {_upstream(port)};"
    yield "}"


def _passthrough(node: NodeSettings, zone: str) -> Iterator[str]:
    """Give the server that looks at the name a client asks for, and the one for the hosts that are passed through."""
    for host in node.passthrough_hosts:
        yield f"upstream tg_sni_{host} {{ {zone} {_PLACEHOLDER} }}"
    yield "map $ssl_preread_server_name $tg_way {"
    yield f"    default {TLS_SOCKET};"
    for host in node.passthrough_hosts:
        yield f"    {host} {_PASSTHROUGH_SOCKET};"
    yield "}"
    yield "map $ssl_preread_server_name $tg_passthrough {"
    for host in node.passthrough_hosts:
        yield f"    {host} tg_sni_{host};"
    yield "}"
    yield "server {"
    for line in listen(node, node.https_port, "proxy_protocol" if node.use_proxy_protocol else ""):
        yield f"    {line}"
    yield from (f"    {line}" for line in _preread(node))
    if node.use_proxy_protocol:
        for cidr in node.real_ip_cidrs:
            yield f"    set_real_ip_from {cidr};"
    # The server that the connection is passed to writes the line.
    yield "    access_log off;"
    yield "    pass $tg_way;"
    yield "}"
    yield "server {"
    yield f"    listen {_PASSTHROUGH_SOCKET};"
    yield from (f"    {line}" for line in _preread(node))
    yield "    proxy_pass $tg_passthrough;"
    yield "}"


def _preread(node: NodeSettings) -> Iterator[str]:
    yield "ssl_preread on;"
    yield f"preread_timeout {node.client_header_timeout}s;"
