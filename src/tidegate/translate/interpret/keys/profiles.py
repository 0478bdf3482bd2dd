"""What the default location profile holds."""

from __future__ import annotations

from typing import Final

from tidegate.guard import values
from tidegate.guard.values import Type
from tidegate.translate.interpret.declarations import Key
from tidegate.translate.interpret.families import bodies, retries
from tidegate.translate.interpret.keys._making import flag

KEYS: Final[tuple[Key, ...]] = (
    Key("proxy-body-size", values.size(), None, "Largest request body; 0 is no limit.", node="body_size"),
    Key("proxy-buffering", values.ONOFF, None, "Whether responses are buffered.", node="buffering"),
    Key(
        "proxy-request-buffering",
        values.ONOFF,
        None,
        "Whether request bodies are read whole before backends get them.",
        node="request_buffering",
    ),
    Key(
        "proxy-buffers-number",
        bodies.BUFFERS_NUMBER,
        None,
        "Buffers for a response.",
        node="buffers_number",
    ),
    Key("proxy-buffer-size", bodies.BUFFER_SIZE, None, "Size of each.", node="buffer_size"),
    Key(
        "proxy-busy-buffers-size",
        bodies.BUSY_SIZE,
        None,
        "How much of them may be on its way to the client; 0 is as much as the others allow.",
        node="busy_buffers_size",
    ),
    Key(
        "proxy-max-temp-file-size",
        bodies.TEMP_SIZE,
        None,
        "How much of a response may wait in a file; 0 is none.",
        node="max_temp_file_size",
    ),
    Key(
        "proxy-http-version",
        values.enum("1.0", "1.1"),
        None,
        "Version of HTTP towards backends.",
        node="http_version",
    ),
    Key(
        "proxy-next-upstream",
        retries.NEXT_UPSTREAM,
        None,
        "When another endpoint is tried.",
        node="next_upstream",
    ),
    flag(
        "retry-non-idempotent",
        "Try another endpoint for POST, LOCK and PATCH too, although they may be executed twice.",
        node="retry_non_idempotent",
    ),
    Key(
        "grpc-buffer-size-kb",
        Type("INT", "a number of KiB up to 16384", lambda text: values.integer(0, 16384).parse(text) * 1024),
        None,
        "Buffer for responses of gRPC backends, in KiB; 0 is nginx's own.",
        node="grpc_buffer_size",
    ),
)
