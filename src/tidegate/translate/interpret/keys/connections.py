"""Workers, and connections of clients."""

from __future__ import annotations

from typing import Final

from tidegate.guard import values
from tidegate.guard.values import Type
from tidegate.translate.interpret.declarations import Key
from tidegate.translate.interpret.keys._making import COUNT, POSITIVE, flag

_WORKERS: Final = Type(
    "INT",
    '"auto", or a number from 1 to 512',
    lambda text: None if text == "auto" else values.integer(1, 512).parse(text),
)

KEYS: Final[tuple[Key, ...]] = (
    Key("worker-processes", _WORKERS, None, "Worker processes.", node="workers"),
    Key(
        "max-worker-connections",
        values.integer(64, 2**20),
        None,
        "Connections of a worker.",
        node="worker_connections",
    ),
    Key(
        "worker-shutdown-timeout",
        values.DURATION,
        None,
        "After this an old worker is ended.",
        node="worker_shutdown_timeout",
    ),
    Key(
        "keep-alive",
        COUNT,
        None,
        "Seconds that an idle client connection stays open.",
        node="keepalive_timeout",
    ),
    Key(
        "keep-alive-requests",
        POSITIVE,
        None,
        "Requests of one client connection.",
        node="keepalive_requests",
    ),
    Key(
        "client-header-timeout",
        values.SECONDS,
        None,
        "Seconds for a request's head.",
        node="client_header_timeout",
    ),
    Key(
        "client-body-timeout",
        values.SECONDS,
        None,
        "Seconds between two reads of a body.",
        node="client_body_timeout",
    ),
    Key(
        "client-header-buffer-size",
        values.size(minimum=256, maximum=2**20),
        None,
        "Buffer for a request's head.",
        node="client_header_buffer_size",
    ),
    Key(
        "large-client-header-buffers",
        values.BUFFERS,
        None,
        "More buffers for a large head.",
        node="large_client_header_buffers",
    ),
    Key(
        "client-body-buffer-size",
        values.size(minimum=1024, maximum=2**30),
        None,
        "Buffer for a request's body.",
        node="client_body_buffer_size",
    ),
    flag("use-http2", "HTTP/2.", node="http2"),
    flag("use-http3", "HTTP/3, on the UDP port of the same number as HTTPS.", node="http3"),
    Key(
        "http2-max-concurrent-streams",
        values.integer(1, 65535),
        None,
        "Streams of one HTTP/2 connection.",
        node="http2_max_concurrent_streams",
    ),
    flag("enable-underscores-in-headers", "Let header names with _ pass.", node="underscores_in_headers"),
    flag("ignore-invalid-headers", "Drop headers with invalid names.", node="ignore_invalid_headers"),
    flag("server-tokens", "Show the Server header.", node="server_tokens"),
    Key("bind-address", values.ADDRESSES, None, "Addresses to listen on.", node="bind_addresses"),
)
