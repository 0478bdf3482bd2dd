"""Client address and forwarding headers (reference b.5, f.3).

Differs from ingress-nginx in these points: X-Forwarded-Proto, -Port and -Host (and the whole chain) count only from peers
within ``proxy-real-ip-cidr``, as X-Forwarded-For always did; a peer outside of it that speaks the PROXY protocol is hung up
on; `Forwarded` reaches backends only from those peers; and of all upgrades only that to WebSocket is passed on.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tidegate.dataplane.render import _tls
from tidegate.model import NodeSettings

_NOT_SENT: Final = '""'
"""Value of headers that never reach a backend."""


def _variable(header: str) -> str:
    return "$http_" + header.lower().replace("-", "_")


def trusts_forwarded(node: NodeSettings) -> bool:
    """Tell whether anything but the connection decides the effective scheme."""
    return node.use_forwarded_headers or node.use_proxy_protocol


def is_chained(node: NodeSettings) -> bool:
    """Tell whether the address comes from the PROXY protocol and then from a header of whom that names."""
    return node.use_forwarded_headers and node.use_proxy_protocol


def client(node: NodeSettings) -> str:
    """Give the variable with the client's address."""
    return "$tg_client" if is_chained(node) else "$remote_addr"


def http_lines(node: NodeSettings) -> Iterator[str]:
    """Give the directives of the http block: who is trusted, and the variables that the servers use."""
    # Names in maps are compared whatever their case.
    yield "map $http_upgrade $tg_upgrade { default ''; websocket websocket; }"
    yield "map $tg_upgrade $tg_connection { default ''; websocket upgrade; }"
    # What else a client's Connection header may hold names headers that end here: see @hop.
    yield "map $http_connection $tg_jump { default @hop; '' ''; close ''; keep-alive ''; }"
    yield "map $request_method $tg_no_body { default ''; POST 0; PUT 0; PATCH 0; }"
    if node.generate_request_id:
        yield "map $http_x_request_id $tg_request_id { default $http_x_request_id; '' $tg_fresh_id; }"
    else:
        yield "map $http_x_request_id $tg_request_id { default $http_x_request_id; }"
    if node.use_forwarded_headers or node.use_proxy_protocol or node.enable_real_ip:
        yield from _real_ip(node)
    if node.use_forwarded_headers or node.use_proxy_protocol:
        yield from _sender(node)
    if node.use_forwarded_headers:
        yield from _trusted(node)
    else:
        yield "map $http_host $tg_best_host { default $http_host; '' $tg_nameless; }"
        yield from _from_connection(node)
    # Neither HTTP/1.0 nor HTTP/3 must bring a Host header; one is due to a backend that speaks HTTP/1.1.
    yield "map $host $tg_nameless { default $host; _ $server_addr; }"
    yield "map '' $tg_upstream_host { default $tg_best_host; }"


def _real_ip(node: NodeSettings) -> Iterator[str]:
    for cidr in node.real_ip_cidrs:
        yield f"set_real_ip_from {cidr};"
    yield f"real_ip_header {'proxy_protocol' if node.use_proxy_protocol else node.forwarded_for_header};"
    yield "real_ip_recursive on;"


def _sender(node: NodeSettings) -> Iterator[str]:
    """Give who speaks to us: the peer, or whom a trusted peer names by the PROXY protocol."""
    if node.use_proxy_protocol:
        yield "map $proxy_protocol_addr $tg_sender { default $proxy_protocol_addr; '' $realip_remote_addr; }"
        yield from _geo(node, "$realip_remote_addr", "$tg_peer_trusted")
    else:
        yield "map '' $tg_sender { default $realip_remote_addr; }"
    if is_chained(node):
        # Set by the Lua side before anything looks at it.
        yield "map '' $tg_client { default $remote_addr; }"


def _geo(node: NodeSettings, address: str, result: str) -> Iterator[str]:
    yield f"geo {address} {result} {{"
    yield "    default 0;"
    for cidr in node.real_ip_cidrs:
        yield f"    {cidr} 1;"
    yield "}"


def _from_connection(node: NodeSettings) -> Iterator[str]:
    yield "map '' $tg_forwarded { default ''; }"
    if node.use_proxy_protocol:
        yield "map $proxy_protocol_server_port $tg_scheme { default $scheme; 443 https; }"
        yield "map $proxy_protocol_server_port $tg_port { default $proxy_protocol_server_port; '' $tg_listen_port; }"
    else:
        yield "map $scheme $tg_scheme { default $scheme; }"


def _trusted(node: NodeSettings) -> Iterator[str]:
    yield from _geo(node, "$tg_sender", "$tg_trusted")
    scheme, port = "$scheme", "$tg_listen_port"
    if node.use_proxy_protocol:
        yield "map $proxy_protocol_server_port $tg_own_scheme { default $scheme; 443 https; }"
        yield "map $proxy_protocol_server_port $tg_own_port { default $proxy_protocol_server_port; '' $tg_listen_port; }"
        scheme, port = "$tg_own_scheme", "$tg_own_port"
    yield f"map $tg_trusted$http_x_forwarded_proto $tg_scheme {{ default {scheme}; 1http http; 1https https; }}"
    yield rf"map $tg_trusted$http_x_forwarded_port $tg_port {{ default {port}; '~^1(\d{{1,5}})$' $1; }}"
    yield "map $http_host $tg_own_host { default $http_host; '' $tg_nameless; }"
    yield (
        r"map $tg_trusted$http_x_forwarded_host $tg_best_host "
        r"{ default $tg_own_host; '~^1([\w.:\[\]-]+)(?:\s*,|$)' $1; }"
    )
    yield "map $tg_trusted $tg_forwarded { default ''; 1 $http_forwarded; }"
    if node.compute_full_forwarded_for:
        header = _variable(node.forwarded_for_header)
        yield f"map $tg_trusted{header} $tg_forwarded_for {{"
        yield "    default $tg_sender;"
        yield "    '~^1(.+)$' '$1, $tg_sender';"
        yield "}"


def variable_lines(node: NodeSettings, port: int) -> Iterator[str]:
    """Give what a server sets before its requests are routed, and whom it refuses; clients see it on the given port."""
    if trusts_forwarded(node):
        yield f"set $tg_listen_port {port};"
    if node.use_proxy_protocol:
        yield "if ($tg_peer_trusted = 0) { return 444; }"
    if is_chained(node):
        yield "set_by_lua_block $tg_client { return tidegate_client() }"


def headers(node: NodeSettings, scheme: str, port: int, guard: _tls.Guarded | None = None) -> dict[str, str]:
    """Give the headers towards the backend for a server of the given scheme: names, and values of nginx's language."""
    from_connection = not trusts_forwarded(node)
    proto = scheme if from_connection else "$tg_scheme"
    full = node.use_forwarded_headers and node.compute_full_forwarded_for
    found = {
        "Host": "$tg_upstream_host",
        "X-Request-ID": "$tg_request_id",
        "X-Real-IP": client(node),
        "X-Forwarded-For": "$tg_forwarded_for" if full else client(node),
        "X-Forwarded-Host": "$tg_best_host",
        "X-Forwarded-Port": str(port) if from_connection else "$tg_port",
        "X-Forwarded-Proto": proto,
        "X-Forwarded-Scheme": proto,
        "X-Scheme": proto,
        "X-Original-Forwarded-For": _variable(node.forwarded_for_header),
        "X-Original-Forwarded-Host": _variable(node.forwarded_host_header),
        "Forwarded": "$tg_forwarded" if node.use_forwarded_headers else _NOT_SENT,
        "HTTP2-Settings": _NOT_SENT,
        "Proxy-Connection": _NOT_SENT,
        # https://httpoxy.org: CGI programs take it for an environment variable.
        "Proxy": _NOT_SENT,
        **_tls.client_headers(guard),
        **(_tls.early_headers(node) if scheme == "https" else {}),
    }
    if node.original_uri_header:
        found["X-Original-URI"] = "$request_uri"
    if node.underscores_in_headers:
        # Many programs take X_Real_IP for X-Real-IP. What a client may not say, it may not say so either.
        found |= dict.fromkeys(_aliases(tuple(found)), _NOT_SENT)
    return found


def _aliases(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        first, *others = name.split("-")
        for separators in itertools.product("-_", repeat=len(others)):
            if "_" in separators:
                yield first + "".join(s + o for s, o in zip(separators, others, strict=True))


def entry_lines(node: NodeSettings, headers: Mapping[str, str], *, tls: bool) -> Iterator[str]:
    """Give the headers of the entry location, where there is no upgrade and nothing was decided about the Host header."""
    # A look at the header is cheaper than a map. HTTP/3 has none (the Lua side does not see that).
    has_host = not node.use_forwarded_headers and not (tls and node.http3)
    own = {"Host": "$http_host", "X-Forwarded-Host": "$http_host"} if has_host else {}
    for name, value in {**headers, **own, "Upgrade": _NOT_SENT, "Connection": _NOT_SENT}.items():
        yield f"proxy_set_header {name} {value};"


def proxy_lines(headers: Mapping[str, str], connection: str = "$tg_connection") -> Iterator[str]:
    """Give the headers as HTTP/1 has them, with those about the connection itself."""
    for name, value in {**headers, "Upgrade": "$tg_upgrade", "Connection": connection}.items():
        yield f"proxy_set_header {name} {value};"


_NOT_FOR_PAGES: Final = (
    "Connection", "Expect", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Range",
    "Transfer-Encoding", "Upgrade",
)  # fmt: skip


def page_lines(headers: Mapping[str, str]) -> Iterator[str]:
    """Give the headers of a request for an error page: a whole page, asked for without a body, of the host's own name."""
    changed = {
        "Host": "$tg_best_host",
        "Content-Length": "$tg_no_body",
        **dict.fromkeys(_NOT_FOR_PAGES, _NOT_SENT),
    }
    for name, value in {**headers, **changed}.items():
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


def fastcgi_lines(
    node: NodeSettings, headers: Mapping[str, str], more: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Give the parameters as FastCGI has them; ``more`` stands above all others."""
    # To FastCGI a name with underscores is the same: one parameter covers both.
    plain = {name: value for name, value in headers.items() if "_" not in name}
    told = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in plain.items()}
    for name, value in {**_CGI, "REMOTE_ADDR": client(node), **told, **(more or {})}.items():
        yield f"fastcgi_param {name} {value};"
