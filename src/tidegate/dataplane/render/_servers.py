"""The server blocks: two entries (plain and TLS), the status port, and the socket that the keeper pushes to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from tidegate.dataplane.render import _forwarding, _interim, _profiles, _protocols, _tls
from tidegate.dataplane.render._tls import Guarded
from tidegate.model import NodeSettings, Profile

_ANSWERS = (400, 401, 403, 404, 405, 413, 421, 429, 502, 503, 504)
_REDIRECTS = range(300, 309)

_BY_NGINX = (401, 403, 404, 405, 411, 412, 413, 415, 416, 421, 429, 500, 501, 502, 503, 504, 507)
"""Errors that nginx may make itself once it has read a request's head: they come to @error. What it refuses while it reads
the head (400, 414 …) has no URI yet, without which there is no jump."""

CLIENT_VARIABLES = ("client_verify", "client_subject", "client_issuer", "client_certificate")
"""What the Lua side says about a client's certificate, on hosts that ask for one."""

_RETRY_AFTER = 5
"""Seconds; about what a readiness probe takes to notice."""

_VARIABLES = (
    "silent", "why", "namespace", "ingress", "service", "service_port", "path",
    "jump_on", "location", "backend", "code", "script", "fresh_id", "ssl_certificate", "ssl_key", "ssl_name", "trace",
)  # fmt: skip
"""What the Lua side says to nginx, each with ``$tg_`` before it."""

_ALT_SVC_AGE = 86400
"""Seconds for which clients may remember that HTTP/3 is offered."""


def _indented(lines: Iterable[str], by: int = 4) -> Iterator[str]:
    return (" " * by + line for line in lines)


def listen(node: NodeSettings, port: int, options: str, *, again: bool = False) -> Iterator[str]:
    """Give the listen directives of a port, one for each address. Options of a socket are not said ``again``."""
    for address in node.bind_addresses:
        if ":" in address:
            once = "" if again else "ipv6only=on"
            yield f"listen {' '.join(filter(None, (f'[{address}]:{port}', options, once)))};"
        else:
            yield f"listen {' '.join(filter(None, (f'{address}:{port}', options)))};"


def entry(
    node: NodeSettings,
    profiles: Collection[Profile],
    *,
    tls: bool,
    guard: Guarded | None = None,
    more: bool = False,
) -> Iterator[str]:
    """Give a server block that takes clients' requests, on the plain or on the TLS port.

    With `guard` it is one of those beside the default one: the same, but for its names and its handshake. `more` says that
    there are such.
    """
    proxy = " proxy_protocol" if node.use_proxy_protocol else ""
    scheme, port = ("https", 443) if tls else ("http", node.http_port)
    headers = _forwarding.headers(node, scheme, port, guard)
    default = "" if guard else " default_server"
    answer_headers = list(_tls.answer_headers(node)) if tls else []
    yield "server {"
    yield f"    server_name {' '.join(guard.hosts) if guard else '_'};"
    if tls:
        if node.passthrough:
            yield f"    listen unix:tls.sock ssl{default};"
        else:
            yield from _indented(
                listen(node, node.https_port, f"ssl{default}{proxy}", again=guard is not None)
            )
        yield from _indented(_tls.settings(node, guard))
        if more:
            yield f"    {_tls.client_hello()}"
        yield from _indented(_tls.refusals(node, guard))
        yield from _indented((*answer_headers, *_tls.hidden_headers(node)))
        yield from _indented(["http3 off;"] if guard else _http3(node))
    else:
        yield from _indented(listen(node, node.http_port, f"default_server{proxy}"))
    yield f"    {_interim.SERVER_LINE}"
    yield from _indented(_forwarding.variable_lines(node, port))
    yield from _indented(_forwarding.proxy_lines(headers))
    yield from _indented(_forwarding.grpc_lines(headers))
    yield from _indented(_forwarding.fastcgi_lines(node, headers))
    yield from _indented(
        _routing(scheme, max(len(_protocols.script_params(profile)) for profile in profiles))
    )
    yield from _indented(_entry_locations(node, headers, tls=tls))
    yield from _indented(_answers(" ".join(answer_headers)))
    yield from _indented(_page(headers))
    for profile in profiles:
        yield from _indented(_profiles.location(profile, node, headers, tls=tls))
    yield "}"


def _http3(node: NodeSettings) -> Iterator[str]:
    if not node.http3 or node.use_proxy_protocol:
        yield "http3 off;"
        return
    # A socket for each worker: from one that all share, each would read packets of the others' connections. nginx opens
    # them itself, for the number of workers is its own affair.
    yield from listen(node, node.https_port, "quic reuseport")
    # Made by ensure_default_certificate() in the state folder.
    yield "quic_host_key ../../quic.key;"
    yield f"add_header Alt-Svc 'h3=\":{node.https_port}\"; ma={_ALT_SVC_AGE}' always;"


def _routing(scheme: str, params: int) -> Iterator[str]:
    # The Lua side decides before nginx chooses a location. Whatever is not plain proxying to the default profile jumps
    # to a named location: 418 is only the vehicle, for error_page is nginx's one jump whose target may be a variable.
    yield f"set_by_lua_block $tg_route {{ return tidegate_{scheme}() }}"
    yield "error_page 418 = $tg_jump;"
    yield f"error_page {' '.join(map(str, _BY_NGINX))} @error;"
    yield "recursive_error_pages on;"
    yield "if ($tg_jump) { return 418; }"
    yield "if ($http_accept = text/event-stream) { set $tg_jump @stream; return 418; }"
    yield "log_by_lua_block { tidegate_log() }"
    # Never entered: it makes the variables known, which are empty until the Lua side sets them. A `set` that runs for
    # each request would cost 80 instructions apiece.
    yield "location @variables {"
    parameters = [f"param_{at}" for at in range(1, params + 1)]
    for name in (*_VARIABLES, *CLIENT_VARIABLES, *parameters):
        yield f"    set $tg_{name} '';"
    yield "}"
    yield "location @healthz { access_log off; default_type text/plain; return 200 'ok\\n'; }"
    yield "location @drain {"
    yield "    keepalive_timeout 0;"
    yield "    error_page 418 = $tg_jump_on;"
    yield "    return 418;"
    yield "}"


def _entry_locations(node: NodeSettings, headers: Mapping[str, str], *, tls: bool) -> Iterator[str]:
    yield "location / {"
    yield from _indented(_forwarding.entry_lines(node, headers, tls=tls))
    yield from _indented(_protocols.intercepting(Profile(), node))
    yield "    proxy_pass http://tidegate;"
    yield "}"
    # For requests that stream, see lasting.lua.
    stream = max(node.stream_timeout, node.read_timeout)
    yield "location @stream {"
    yield "    rewrite_by_lua_block { tidegate_judge_body() }"
    yield f"    proxy_send_timeout {stream}s;"
    yield f"    proxy_read_timeout {stream}s;"
    yield from _indented(_protocols.intercepting(Profile(), node))
    yield "    proxy_pass http://tidegate;"
    yield "}"
    # For requests with an unusual Connection header: what it names is taken out, an upgrade is passed on.
    yield "location @hop {"
    yield "    rewrite_by_lua_block { tidegate_hop() }"
    yield from _indented(_protocols.intercepting(Profile(), node))
    yield "    proxy_pass http://tidegate;"
    yield "}"


def _answers(headers: str) -> Iterator[str]:
    # An error_page of their own, or what they return would come back to @error.
    end = "error_page 418 = $tg_jump;"
    for code in _ANSWERS:
        # Headers of its own end the inheritance of those of the server.
        header = f"add_header Retry-After {_RETRY_AFTER} always; {headers} " if code == 503 else ""
        yield f"location @e{code} {{ {end} {header}return {code}; }}"
    yield f"location @d503 {{ {end} return 503; }}"
    yield f"location @error {{ {end} content_by_lua_block {{ tidegate_error() }} }}"
    for code in _REDIRECTS:
        yield f"location @r{code} {{ absolute_redirect off; return {code} $tg_location; }}"


def _page(headers: Mapping[str, str]) -> Iterator[str]:
    """Give the location that fetches a page for an error. What fails here ends with nginx's own page for that error."""
    yield "location @page {"
    yield "    error_page 418 = $tg_jump;"
    yield f"    error_page {' '.join(map(str, _BY_NGINX))} @no_page;"
    # The body belongs to the request that failed; the router may have refused to read it.
    yield "    proxy_pass_request_body off;"
    yield from _indented(_forwarding.page_lines(headers))
    yield "    proxy_pass http://tidegate;"
    yield "}"
    yield "location @no_page { error_page 418 = $tg_jump; content_by_lua_block { tidegate_no_page() } }"


def status(node: NodeSettings) -> Iterator[str]:
    """Give the server block of the status port. Nothing there changes state."""
    yield "server {"
    yield from _indented(listen(node, node.status_port, "default_server"))
    yield "    access_log off;"
    yield "    keepalive_timeout 10s;"
    yield "    location / { return 404; }"
    for name in ("healthz", "readyz"):
        yield f"    location = /{name} {{ content_by_lua_block {{ require('tidegate.health').{name}() }} }}"
    if node.metrics == "off":
        yield "    location = /metrics { content_by_lua_block { require('tidegate.health').metrics() } }"
        yield "}"
        return
    # Told by the exporter, a process of its own; without it nginx tells what it knows itself.
    yield "    location = /metrics {"
    yield "        proxy_pass http://unix:metrics.sock:/metrics;"
    yield "        proxy_max_temp_file_size 0;"
    yield "        proxy_buffer_size 64k;"
    yield "        proxy_buffers 16 64k;"
    yield "        proxy_busy_buffers_size 128k;"
    yield "        error_page 502 504 = @metrics;"
    yield "    }"
    yield "    location @metrics { content_by_lua_block { require('tidegate.health').metrics() } }"
    yield "}"


def push() -> Iterator[str]:
    """Give the server block behind the keeper's socket."""
    yield "server {"
    yield "    listen unix:push.sock;"
    yield "    access_log off;"
    yield "    client_max_body_size 0;"
    yield "    client_body_buffer_size 16m;"
    yield "    client_body_in_single_buffer on;"
    yield "    keepalive_timeout 1h;"
    yield "    keepalive_requests 1000000000;"
    yield "    location / { return 404; }"
    yield "    location = /connections { stub_status; }"
    for name in ("delta", "entries", "status", "draining", "counters", "health"):
        yield f"    location = /{name} {{ content_by_lua_block {{ require('tidegate.admin').{name}() }} }}"
    yield "}"
