r"""The access log: what stands in a line, and where lines go.

The usual format is JSON; its fields and their order are the schema ``tidegate.access/1``. A format of the administrator's
own comes as literals and names from a closed set (``translate/interpret/log_formats.py``), of which some are ours under the
names that ingress-nginx gave them.

Which layer answered is derived by maps. For a request that a backend answered in full that is one look-up of three digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tidegate.dataplane.access_log import NOWHERE, Destination
from tidegate.dataplane.render import _forwarding
from tidegate.model import NodeSettings

SCHEMA: Final = "tidegate.access/1"

_REQUEST, _CONNECTION = "\x1e", "\x1d"
"""What a line in the pipe begins with (``dataplane/access_log/_framing.py``)."""

_PIPE: Final = "../../access.fifo"
_SAME_PIPE: Final = "../.././access.fifo"
"""Another name, because nginx keeps one buffer for a name, and HTTP and stream module each need their own."""

_TEXT: Final = (
    ("time", "$time_iso8601"),
    ("msec", "=$msec"),
    ("pid", "=$pid"),
    ("request_id", "$tg_request_id"),
    ("client", "@client"),
    ("method", "$request_method"),
    ("scheme", "$scheme"),
    ("host", "$host"),
    ("uri", "$request_uri"),
    ("protocol", "$server_protocol"),
    ("status", "=$tg_status"),
    ("layer", "$tg_layer"),
    ("bytes", "=$bytes_sent"),
    ("body_bytes", "=$body_bytes_sent"),
    ("request_bytes", "=$request_length"),
    ("request_time", "=$request_time"),
    ("route", "$tg_route"),
    ("namespace", "$tg_namespace"),
    ("ingress", "$tg_ingress"),
    ("service", "$tg_service"),
    ("service_port", "$tg_service_port"),
    ("backend", "$tg_backend"),
    ("profile", "$tg_profile"),
    ("upstream", "$upstream_addr"),
    ("upstream_status", "$upstream_status"),
    ("upstream_connect_time", "$upstream_connect_time"),
    ("upstream_header_time", "$upstream_header_time"),
    ("upstream_time", "$upstream_response_time"),
    ("upstream_bytes", "$upstream_response_length"),
    ("tls", "$ssl_protocol"),
    ("cipher", "$ssl_cipher"),
    ("sni", "$ssl_server_name"),
    ("user_agent", "$http_user_agent"),
    ("referer", "$http_referer"),
)
"""Field and value; a value after ``=`` is a number."""

_NAMES: Final = {
    "namespace": "tg_namespace",
    "ingress_name": "tg_ingress",
    "service_name": "tg_service",
    "service_port": "tg_service_port",
    "location_path": "tg_path",
    "proxy_upstream_name": "tg_upstream_name",
    "proxy_host": "tg_upstream_name",
    "proxy_alternative_upstream_name": "tg_alternative_name",
    "req_id": "tg_request_id",
    "request_id": "tg_request_id",
    "best_http_host": "tg_best_host",
    "pass_access_scheme": "tg_scheme",
    "pass_server_port": "server_port",
    "pass_port": "server_port",
    "auth_cookie": "tg_nothing",
    "balancer_ewma_score": "tg_nothing",
    "literal_dollar": "tg_dollar",
    "layer": "tg_layer",
    "route": "tg_route",
    "profile": "tg_profile",
}
"""Names in formats that are not nginx's own, and the variables that they stand for."""

_STREAM: Final = (
    '{"schema":"@SCHEMA@","time":"$time_iso8601","msec":$msec,"pid":$pid,"client":"$remote_addr",'
    '"protocol":"$protocol","port":"$server_port","host":"$tg_name","status":$status,"sent":$bytes_sent,'
    '"received":$bytes_received,"session_time":$session_time,"upstream":"$upstream_addr",'
    '"upstream_connect_time":"$upstream_connect_time"}'
).replace("@SCHEMA@", SCHEMA)

_ANSWERED: Final = (
    200,
    201,
    202,
    204,
    206,
    301,
    302,
    303,
    304,
    307,
    308,
    400,
    401,
    403,
    404,
    405,
    409,
    410,
    422,
    500,
)

_LAYERS: Final = (
    # why | status | statuses of backends | connect times | header times | way; the first that matches counts.
    (r"^[^|]*\|499\|", "client abort"),
    (r"^(?:app_root|redirect|https)\|", "redirect"),
    (r"^allow\|", "access"),
    (r"^([^|]+)\|", "$1"),
    (r"^\|\d+\|\|[^|]*\|[^|]*\|@e503$", "no endpoint"),
    (r"^\|\d+\|\|[^|]*\|[^|]*\|@e404$", "no route"),
    (r"^\|\d+\|\|[^|]*\|[^|]*\|@e413$", "body size"),
    (r"^\|\d+\|\|[^|]*\|[^|]*\|@r30\d$", "redirect"),
    (r"^\|\d+\|\|", "gateway"),
    (r"^\|50[24]\|[^|]*\|(?:[^|]*[ ,:])?-\|", "connect"),
    (r"^\|504\|[^|]*\|[^|]*\|(?:[^|]*[ ,:])?-\|", "timeout"),
    (r"^\|502\|[^|]*\|[^|]*\|(?:[^|]*[ ,:])?-\|", "upstream failed"),
)


def destination(node: NodeSettings) -> Destination:
    """Give where the writer writes; of no effect without the pipe."""
    if not is_piped(node):
        return NOWHERE
    return Destination(
        node.access_log, node.access_log_most, node.access_log_copies, tell=not node.log_format
    )


def is_on(node: NodeSettings) -> bool:
    """Tell whether HTTP requests are logged."""
    return node.access_log != "off" and not (node.disable_access_log or node.disable_http_access_log)


def streams_are_on(node: NodeSettings) -> bool:
    """Tell whether TCP and UDP connections are logged."""
    return node.access_log != "off" and not (node.disable_access_log or node.disable_stream_access_log)


def is_piped(node: NodeSettings) -> bool:
    """Tell whether anything goes through the pipe."""
    has_streams = bool(node.stream_ports) or node.passthrough
    return node.access_log_pipe and (is_on(node) or (has_streams and streams_are_on(node)))


def lua(node: NodeSettings) -> str:
    """Give what the Lua side has to know, as a Lua table."""
    told = {
        "on": is_on(node),
        "piped": is_piped(node),
        "skips": bool(node.skip_access_log_urls),
        "unmatched": node.log_unmatched,
        "path": "location_path" in node.log_format[1::2],
    }
    return "{ " + ", ".join(f"{name} = {str(value).lower()}" for name, value in told.items()) + " }"


def http_lines(node: NodeSettings) -> Iterator[str]:
    """Give the directives of the http block."""
    if not is_on(node):
        yield "access_log off;"
        return
    yield from _maps(node)
    begin = _REQUEST if node.access_log_pipe else ""
    if node.log_format:
        yield f"log_format tidegate{_escape(node)} {_quoted(begin)}{_own(node.log_format)};"
    else:
        yield f"log_format tidegate escape=json '{begin}{_json(node)}';"
    yield f"access_log {_target(node, _PIPE)} if=$tg_logged;"


def stream_lines(node: NodeSettings) -> Iterator[str]:
    """Give the directives of the stream block."""
    if not streams_are_on(node):
        yield "access_log off;"
        return
    name = "$ssl_preread_server_name" if node.passthrough else ""
    yield f"map '' $tg_name {{ default '{name}'; }}"
    yield "geo $tg_dollar { default '$'; }"
    begin = _CONNECTION if node.access_log_pipe else ""
    if node.stream_log_format:
        yield f"log_format tidegate{_escape(node)} {_quoted(begin)}{_own(node.stream_log_format)};"
    else:
        yield f"log_format tidegate escape=json '{begin}{_STREAM}';"
    yield f"access_log {_target(node, _SAME_PIPE)};"


def _target(node: NodeSettings, pipe: str) -> str:
    if not node.access_log_pipe:
        return f"{node.access_log} tidegate"
    buffer, flush = node.access_log_params
    return f"{pipe} tidegate buffer={buffer} flush={flush}ms"


def _json(node: NodeSettings) -> str:
    client = _forwarding.client(node)
    fields = ((name, client if value == "@client" else value) for name, value in _TEXT)
    parts = (f'"{n}":{v[1:]}' if v.startswith("=") else f'"{n}":"{v}"' for n, v in fields)
    return f'{{"schema":"{SCHEMA}",{",".join(parts)}}}'


# --- formats of one's own -------------------------------------------------------------------------------------------------


def _escape(node: NodeSettings) -> str:
    return " escape=none" if node.log_escape_none else " escape=json" if node.log_escape_json else ""


def _quoted(literal: str) -> str:
    text = literal.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}' " if text else ""


def _own(template: tuple[str, ...]) -> str:
    parts = [_quoted(template[0])]
    for name, literal in zip(template[1::2], template[2::2], strict=True):
        parts += (f"'${{{_NAMES.get(name, name)}}}' ", _quoted(literal))
    return "".join(parts)


# --- maps ---------------------------------------------------------------------------------------------------------------


def _maps(node: NodeSettings) -> Iterator[str]:
    # Three digits that JSON does not take for a number: requests that ended before there was a status.
    yield "map $status $tg_status { default $status; 000 0; 009 9; }"
    yield "map $request_completion$upstream_status $tg_layer {"
    yield "    default $tg_other_layer;"
    for status in _ANSWERED:
        yield f"    OK{status} upstream;"
    yield "}"
    source = "$tg_why|$status|$upstream_status|$upstream_connect_time|$upstream_header_time|$tg_jump"
    yield f"map {source} $tg_other_layer {{"
    yield "    default $tg_whole;"
    for pattern, layer in _LAYERS:
        yield f"    '~{pattern}' {_word(layer)};"
    yield "}"
    yield "map $request_completion $tg_whole { default 'incomplete'; OK 'upstream'; }"
    yield "map $tg_jump $tg_profile { default ''; @p_ ''; '~^@p_(.+)$' $1; }"
    yield "map $tg_namespace-$tg_service-$tg_service_port $tg_upstream_name {"
    yield "    default $tg_namespace-$tg_service-$tg_service_port;"
    yield "    -- '';"
    yield "}"
    yield "map $tg_backend $tg_alternative_name { default ''; '~^([^/]+)/([^/]+)/(.+)$' $1-$2-$3; }"
    yield "geo $tg_dollar { default '$'; }"
    yield "map '' $tg_nothing { default ''; }"
    yield from _logged(node)


def _word(layer: str) -> str:
    return layer if layer.startswith("$") else f"'{layer}'"


def _logged(node: NodeSettings) -> Iterator[str]:
    """Give the map that says whether a request is logged; $tg_silent is the Lua side's."""
    if not node.skip_access_log_urls:
        yield "map $tg_silent $tg_logged { default 1; 1 0; }"
        return
    yield "map $tg_silent $tg_logged { default $tg_url_logged; 1 0; }"
    yield "map $request_uri $tg_url_logged {"
    yield "    default 1;"
    for url in node.skip_access_log_urls:
        escaped = url.replace("\\", "\\\\").replace("'", "\\'")
        yield f"    '{escaped}' 0;"
    yield "}"
