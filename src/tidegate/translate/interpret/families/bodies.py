"""Bodies of requests and responses: nginx takes these only from its configuration (reference a.3).

nginx refuses sizes of buffers that do not go together. They are brought together where the configuration is laid out; here
it is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Annotation, InProfile, Invalid, Risk
from tidegate.translate.interpret.drafts import Draft

BUFFER_SIZE: Final = values.size(minimum=1024, maximum=16 * 2**20)
BUFFERS_NUMBER: Final = values.integer(2, 256)
BUSY_SIZE: Final = values.size(maximum=2**30)
TEMP_SIZE: Final = values.size(units="bkmg")
BODY_BUFFER_SIZE: Final = values.size(minimum=1024, maximum=128 * 2**20, units="km")
"""Bounds keep one tenant from asking for more memory than a node has."""

_USUAL_SIZE: Final = 4096
_USUAL_NUMBER: Final = 4

ANNOTATIONS: Final = (
    Annotation(
        "proxy-body-size",
        values.size(units="kmg"),
        InProfile("body_size"),
        "Largest request body, for example 8m; 0 is no limit. A larger one is answered 413.",
        risk=Risk.MEDIUM,
        config_key="proxy-body-size",
    ),
    Annotation(
        "client-body-buffer-size",
        BODY_BUFFER_SIZE,
        InProfile("client_body_buffer_size"),
        "Part of a request body that is kept in memory before it goes to a file.",
        invalid=Invalid.DROP,
        config_key="client-body-buffer-size",
    ),
    Annotation(
        "proxy-request-buffering",
        values.ONOFF,
        InProfile("request_buffering"),
        "Whether a request body is read whole before the backend gets it.",
        config_key="proxy-request-buffering",
    ),
    Annotation(
        "proxy-buffering",
        values.ONOFF,
        InProfile("buffering"),
        "Whether responses are buffered before they go to the client.",
        config_key="proxy-buffering",
    ),
    Annotation(
        "proxy-buffers-number",
        BUFFERS_NUMBER,
        InProfile("buffers_number"),
        "Number of buffers for a response.",
        config_key="proxy-buffers-number",
    ),
    Annotation(
        "proxy-buffer-size",
        BUFFER_SIZE,
        InProfile("buffer_size"),
        "Size of each of these buffers; a response's head has to fit into one.",
        config_key="proxy-buffer-size",
    ),
    Annotation(
        "proxy-busy-buffers-size",
        BUSY_SIZE,
        InProfile("busy_buffers_size"),
        "How much of a response may be on its way to the client while the rest is still read: "
        "from one buffer to all but one.",
        config_key="proxy-busy-buffers-size",
    ),
    Annotation(
        "proxy-max-temp-file-size",
        TEMP_SIZE,
        InProfile("max_temp_file_size"),
        "How much of a response may wait in a file; 0 is none.",
        config_key="proxy-max-temp-file-size",
    ),
)


def complete(draft: Draft, problems: Callable[[str, str, str], None]) -> None:
    """Tell of sizes that do not go together."""
    profile = draft.profile
    size = int(profile.get("buffer_size", _USUAL_SIZE))
    most = (int(profile.get("buffers_number", _USUAL_NUMBER)) - 1) * size
    busy = int(profile.get("busy_buffers_size", 0))
    if busy and not size <= busy <= most:
        problems("proxy-busy-buffers-size", f"from {size} to {most} bytes", "The nearest of these is used.")
    if 0 < int(profile.get("max_temp_file_size", 0)) < size:
        problems("proxy-max-temp-file-size", f"0, or at least {size} bytes", "One buffer's size is used.")
