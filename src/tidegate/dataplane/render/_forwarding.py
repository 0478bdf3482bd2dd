"""Client address and forwarding headers (reference b.5, f.3).

Differs from ingress-nginx in one point: X-Forwarded-Proto, -Port and -Host count only from peers within
``proxy-real-ip-cidr``, as X-Forwarded-For always did.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.model import NodeSettings


def _variable(header: str) -> str:
    return "$http_" + header.lower().replace("-", "_")


def trusts_forwarded(node: NodeSettings) -> bool:
    """Tell whether anything but the connection decides the effective scheme."""
    return node.use_forwarded_headers or node.use_proxy_protocol


def http_lines(node: NodeSettings) -> Iterator[str]:
    """Give the directives of the http block: who is trusted, and the variables that the servers use."""
    yield "map $http_upgrade $tg_connection { default upgrade; '' ''; }"
    if node.generate_request_id:
        yield "map $http_x_request_id $tg_request_id { default $http_x_request_id; '' $request_id; }"
    else:
        yield "map $http_x_request_id $tg_request_id { default $http_x_request_id; }"
    if node.use_forwarded_headers or node.use_proxy_protocol or node.enable_real_ip:
        yield from _real_ip(node)
    if node.use_forwarded_headers:
        yield from _trusted(node)
    else:
        yield "map $http_host $tg_best_host { default $http_host; }"
        yield from _from_connection(node)


def _real_ip(node: NodeSettings) -> Iterator[str]:
    for cidr in node.real_ip_cidrs:
        yield f"set_real_ip_from {cidr};"
    only_proxy_protocol = node.use_proxy_protocol and not node.use_forwarded_headers
    yield f"real_ip_header {'proxy_protocol' if only_proxy_protocol else node.forwarded_for_header};"
    yield "real_ip_recursive on;"


def _from_connection(node: NodeSettings) -> Iterator[str]:
    if node.use_proxy_protocol:
        yield "map $proxy_protocol_server_port $tg_scheme { default $scheme; 443 https; }"
        yield "map $proxy_protocol_server_port $tg_port { default $proxy_protocol_server_port; '' $tg_listen_port; }"
    else:
        yield "map $scheme $tg_scheme { default $scheme; }"


def _trusted(node: NodeSettings) -> Iterator[str]:
    yield "geo $realip_remote_addr $tg_trusted {"
    yield "    default 0;"
    for cidr in node.real_ip_cidrs:
        yield f"    {cidr} 1;"
    yield "}"
    yield "map $tg_trusted$http_x_forwarded_proto $tg_scheme { default $scheme; 1http http; 1https https; }"
    yield r"map $tg_trusted$http_x_forwarded_port $tg_port { default $tg_listen_port; '~^1(\d{1,5})$' $1; }"
    yield r"map $tg_trusted$http_x_forwarded_host $tg_best_host { default $http_host; '~^1([\w.:\[\]-]+)' $1; }"
    if node.compute_full_forwarded_for:
        header = _variable(node.forwarded_for_header)
        yield f"map {header} $tg_forwarded_for {{"
        yield f"    default '{header}, $realip_remote_addr';"
        yield "    '' $realip_remote_addr;"
        yield "}"


def server_lines(node: NodeSettings, scheme: str, port: int) -> Iterator[str]:
    """Give the headers towards the backend for a server of the given scheme whose clients see the given port."""
    from_connection = not trusts_forwarded(node)
    if not from_connection:
        yield f"set $tg_listen_port {port};"
    proto = scheme if from_connection else "$tg_scheme"
    best_host = "$tg_best_host" if node.use_forwarded_headers else "$http_host"
    full = node.use_forwarded_headers and node.compute_full_forwarded_for
    yield f"set $tg_upstream_host {best_host};"
    headers = {
        "Host": "$tg_upstream_host",
        "X-Request-ID": "$tg_request_id",
        "X-Real-IP": "$remote_addr",
        "X-Forwarded-For": "$tg_forwarded_for" if full else "$remote_addr",
        "X-Forwarded-Host": best_host,
        "X-Forwarded-Port": str(port) if from_connection else "$tg_port",
        "X-Forwarded-Proto": proto,
        "X-Forwarded-Scheme": proto,
        "X-Scheme": proto,
        "X-Original-Forwarded-For": _variable(node.forwarded_for_header),
        "X-Original-Forwarded-Host": _variable(node.forwarded_host_header),
        "Upgrade": "$http_upgrade",
        "Connection": "$tg_connection",
        # https://httpoxy.org: CGI programs take it for an environment variable.
        "Proxy": '""',
    }
    if node.original_uri_header:
        headers["X-Original-URI"] = "$request_uri"
    for name, value in headers.items():
        yield f"proxy_set_header {name} {value};"
