"""Client address and forwarding headers (reference b.5, f.3).

Differs from ingress-nginx in one point: X-Forwarded-Proto, -Port and -Host count only from peers within
``proxy-real-ip-cidr``, as X-Forwarded-For always did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

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


def variable_lines(node: NodeSettings, port: int) -> Iterator[str]:
    """Give what a server sets before its requests are routed; clients see it on the given port."""
    if trusts_forwarded(node):
        yield f"set $tg_listen_port {port};"
    yield f"set $tg_upstream_host {_best_host(node)};"


def headers(node: NodeSettings, scheme: str, port: int) -> dict[str, str]:
    """Give the headers towards the backend for a server of the given scheme: names, and values of nginx's language."""
    from_connection = not trusts_forwarded(node)
    proto = scheme if from_connection else "$tg_scheme"
    full = node.use_forwarded_headers and node.compute_full_forwarded_for
    found = {
        "Host": "$tg_upstream_host",
        "X-Request-ID": "$tg_request_id",
        "X-Real-IP": "$remote_addr",
        "X-Forwarded-For": "$tg_forwarded_for" if full else "$remote_addr",
        "X-Forwarded-Host": _best_host(node),
        "X-Forwarded-Port": str(port) if from_connection else "$tg_port",
        "X-Forwarded-Proto": proto,
        "X-Forwarded-Scheme": proto,
        "X-Scheme": proto,
        "X-Original-Forwarded-For": _variable(node.forwarded_for_header),
        "X-Original-Forwarded-Host": _variable(node.forwarded_host_header),
        # https://httpoxy.org: CGI programs take it for an environment variable.
        "Proxy": '""',
    }
    if node.original_uri_header:
        found["X-Original-URI"] = "$request_uri"
    return found


def _best_host(node: NodeSettings) -> str:
    return "$tg_best_host" if node.use_forwarded_headers else "$http_host"


def proxy_lines(headers: Mapping[str, str], connection: str = "$tg_connection") -> Iterator[str]:
    """Give the headers as HTTP/1 has them, with those about the connection itself."""
    for name, value in {**headers, "Upgrade": "$http_upgrade", "Connection": connection}.items():
        yield f"proxy_set_header {name} {value};"


def grpc_lines(headers: Mapping[str, str]) -> Iterator[str]:
    """Give the headers as gRPC has them."""
    for name, value in headers.items():
        yield f"grpc_set_header {name} {value};"


_CGI: Final = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SERVER_SOFTWARE": "nginx/$nginx_version",
    "QUERY_STRING": "$query_string",
    "REQUEST_METHOD": "$request_method",
    "CONTENT_TYPE": "$content_type",
    "CONTENT_LENGTH": "$content_length",
    "SCRIPT_NAME": "$tg_script",
    "REQUEST_URI": "$request_uri",
    "DOCUMENT_URI": "$document_uri",
    "SERVER_PROTOCOL": "$server_protocol",
    "REQUEST_SCHEME": "$scheme",
    "HTTPS": "$https if_not_empty",
    "REMOTE_ADDR": "$remote_addr",
    "REMOTE_PORT": "$remote_port",
    "REMOTE_USER": "$remote_user",
    "SERVER_ADDR": "$server_addr",
    "SERVER_PORT": "$server_port",
    "SERVER_NAME": "$host",
    # PHP as CGI does not run without it.
    "REDIRECT_STATUS": "200",
}


def fastcgi_lines(headers: Mapping[str, str], more: Mapping[str, str] | None = None) -> Iterator[str]:
    """Give the parameters as FastCGI has them; ``more`` stands above all others."""
    told = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    for name, value in {**_CGI, **told, **(more or {})}.items():
        yield f"fastcgi_param {name} {value};"
