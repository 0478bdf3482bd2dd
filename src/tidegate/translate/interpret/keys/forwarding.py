"""Addresses of clients, and forwarding headers."""

from __future__ import annotations

from typing import Final

from tidegate.guard import names, values
from tidegate.guard.values import Type
from tidegate.translate.interpret.declarations import Key
from tidegate.translate.interpret.keys._making import flag

_HEADER: Final = Type("HEADER", "a header name", names.header)

KEYS: Final[tuple[Key, ...]] = (
    flag("use-forwarded-headers", "Believe X-Forwarded-… of peers.", node="use_forwarded_headers"),
    flag("compute-full-forwarded-for", "Append to X-Forwarded-For.", node="compute_full_forwarded_for"),
    flag("enable-real-ip", "Take the client address from a header.", node="enable_real_ip"),
    flag("use-proxy-protocol", "Expect the PROXY protocol.", node="use_proxy_protocol"),
    Key(
        "proxy-real-ip-cidr", values.CIDRS, None, "Peers whose forwarding is believed.", node="real_ip_cidrs"
    ),
    Key(
        "forwarded-for-header", _HEADER, None, "Header with the client address.", node="forwarded_for_header"
    ),
    Key(
        "forwarded-host-header", _HEADER, None, "Header with the original host.", node="forwarded_host_header"
    ),
    flag("proxy-add-original-uri-header", "Send X-Original-URI.", node="original_uri_header"),
    flag(
        "generate-request-id",
        "Make a request id where the client sent none.",
        node="generate_request_id",
    ),
)
