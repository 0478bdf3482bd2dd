"""Bodies of requests and responses: nginx takes these only from its configuration (reference a.3)."""

from __future__ import annotations

from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Annotation, InProfile, Risk

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
        "proxy-buffering",
        values.ONOFF,
        InProfile("buffering"),
        "Whether responses are buffered before they go to the client.",
        config_key="proxy-buffering",
    ),
)
