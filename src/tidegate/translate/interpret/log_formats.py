"""Formats of the access log, as the administrator's ConfigMap gives them: taken apart into literals and variables.

The variables are a closed set: nginx's own, and those that ingress-nginx has besides. A name of neither is refused, with the
whole format; so is a literal that nginx could take for anything but text.
"""

from __future__ import annotations

import re
from typing import Final

from tidegate.guard import Unacceptable, values
from tidegate.guard.values import Type

_VARIABLE: Final = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")
_FAMILY: Final = re.compile(
    r"(?:http|cookie|arg|sent_http|sent_trailer|upstream_http|upstream_trailer|upstream_cookie)_[a-z0-9_]{1,64}"
)
_LONGEST: Final = 8192


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


HTTP: Final = _names(
    """
    args binary_remote_addr body_bytes_sent bytes_sent connection connection_requests connection_time content_length
    content_type document_uri host hostname http2 http3 https is_args msec nginx_version pid pipe proxy_add_x_forwarded_for
    proxy_protocol_addr proxy_protocol_port proxy_protocol_server_addr proxy_protocol_server_port query_string
    realip_remote_addr realip_remote_port remote_addr remote_port remote_user request request_completion request_length
    request_method request_time request_uri scheme server_addr server_name server_port server_protocol ssl_alpn_protocol
    ssl_cipher ssl_ciphers ssl_client_fingerprint ssl_client_i_dn ssl_client_s_dn ssl_client_serial ssl_client_v_end
    ssl_client_v_start ssl_client_verify ssl_curve ssl_curves ssl_early_data ssl_protocol ssl_server_name ssl_session_id
    ssl_session_reused status tcpinfo_rcv_space tcpinfo_rtt tcpinfo_rttvar tcpinfo_snd_cwnd time_iso8601 time_local
    upstream_addr upstream_bytes_received upstream_bytes_sent upstream_connect_time upstream_header_time
    upstream_response_length upstream_response_time upstream_status uri

    auth_cookie balancer_ewma_score best_http_host ingress_name layer literal_dollar location_path namespace
    pass_access_scheme pass_port pass_server_port profile proxy_alternative_upstream_name proxy_host proxy_upstream_name
    req_id request_id route service_name service_port
    """
)

STREAM: Final = _names(
    """
    binary_remote_addr bytes_received bytes_sent connection hostname literal_dollar msec nginx_version pid protocol
    proxy_protocol_addr proxy_protocol_port proxy_protocol_server_addr proxy_protocol_server_port remote_addr remote_port
    server_addr server_port session_time ssl_preread_alpn_protocols ssl_preread_protocol ssl_preread_server_name status
    time_iso8601 time_local upstream_addr upstream_bytes_received upstream_bytes_sent upstream_connect_time
    upstream_first_byte_time upstream_session_time
    """
)


def _parse(text: str, known: frozenset[str], *, families: bool) -> tuple[str, ...]:
    if len(text) > _LONGEST or any(character < " " for character in text if character not in "\t\n"):
        raise Unacceptable(f"at most {_LONGEST} characters, and no control characters")
    # A folded line of YAML; a line of the log is one line.
    text = " ".join(text.split("\n")).strip()
    parts: list[str] = []
    end = 0
    for found in _VARIABLE.finditer(text):
        name = (found[1] or found[2]).lower()
        if name not in known and not (families and _FAMILY.fullmatch(name)):
            raise Unacceptable(f"text with variables of the reference; ${name} is none")
        parts += (_literal(text[end : found.start()]), name)
        end = found.end()
    return (*parts, _literal(text[end:]))


def _literal(text: str) -> str:
    if "$" in text:
        raise Unacceptable("$ before the name of a variable only; $literal_dollar stands for the sign")
    return text


UPSTREAM_FORMAT: Final = Type(
    "LOGFORMAT",
    "text with variables of the reference",
    lambda text: _parse(text, HTTP, families=True),
)
STREAM_FORMAT: Final = Type(
    "LOGFORMAT",
    "text with variables of the reference",
    lambda text: _parse(text, STREAM, families=False),
)

_PATH: Final = re.compile(r"/[A-Za-z0-9/_.+~@%=,:-]+")


def _file(text: str) -> str:
    if not _PATH.fullmatch(text) or text.startswith(("/dev/", "/proc/", "/sys/")) or "/../" in text:
        raise Unacceptable(FILE.accepted)
    return text


FILE: Final = Type(
    "FILE",
    "the absolute path of a file; standard output is the flag --access-log -",
    _file,
)

_LEAST_BUFFER, _MOST_BUFFER = 4096, 65536
_LONGEST_FLUSH: Final = 1000
"""Milliseconds. Lines that wait longer could not be told from lost ones."""
_USUAL: Final = (32768, 500)
_FLUSH: Final = re.compile(r"([0-9]{1,6})(ms|s|m|h|d)?")
_MILLISECONDS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, None: 1000}


def _params(text: str) -> tuple[int, int]:
    buffer, flush = _USUAL
    for word in text.split():
        name, _, value = word.partition("=")
        if name == "buffer":
            buffer = min(max(values.size().parse(value), _LEAST_BUFFER), _MOST_BUFFER)
        elif name == "flush" and (found := _FLUSH.fullmatch(value)):
            flush = min(max(int(found[1]) * _MILLISECONDS[found[2]], 1), _LONGEST_FLUSH)
        else:
            raise Unacceptable(PARAMS.accepted)
    return buffer, flush


PARAMS: Final = Type("PARAMS", "buffer=SIZE and flush=TIME", _params)


def _urls(text: str) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for item in values.LIST.parse(text):
        if not item.startswith(("/", "~")) or not item.isprintable():
            raise Unacceptable(URLS.accepted)
        if item.startswith("~"):
            _pattern(item.lstrip("~*"))
        # nginx compares them whatever their case.
        found.setdefault(item.lower(), item)
    return tuple(sorted(found.values()))


def _pattern(text: str) -> None:
    try:
        re.compile(text)
    except re.error:
        raise Unacceptable(URLS.accepted) from None
    # A named group would become a variable.
    if "(?" in text:
        raise Unacceptable("a regular expression without (?")


URLS: Final = Type("LIST", "request URIs that begin with /, or ~ and a regular expression", _urls)
