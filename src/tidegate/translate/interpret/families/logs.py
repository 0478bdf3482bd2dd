"""Whether requests are logged (reference a)."""

from __future__ import annotations

from typing import Final

from tidegate.guard import values
from tidegate.translate.interpret.declarations import Annotation, Data

ANNOTATIONS: Final = (
    Annotation(
        "enable-access-log",
        values.BOOL,
        Data("access_log"),
        "false: requests of this Ingress leave no line in the access log.",
        default="true",
    ),
)
