"""The log: structured lines, for people on a terminal, else as text or JSON."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any, Final, TextIO

import structlog

_STYLES: Final = {"error": ("✗", "31"), "warning": ("!", "33"), "info": ("•", "36"), "debug": ("·", "2")}


class Format(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    """For people on a terminal, else ``text``."""
    TEXT = "text"
    """``key=value``."""
    JSON = "json"


def begin(style: Format, *, verbose: bool = False, to: TextIO | None = None) -> None:
    """Set up the log of this process."""
    stream = to or sys.stderr
    human = style is Format.AUTO and stream.isatty()
    processors: list[structlog.typing.Processor] = [structlog.processors.add_log_level, _drop_empty]
    if human:
        processors.append(_for_people)
    else:
        processors.append(structlog.processors.TimeStamper(fmt="iso", utc=True))
        processors.append(structlog.processors.dict_tracebacks)
        processors.append(_renderer(style))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def _renderer(style: Format) -> structlog.typing.Processor:
    if style is Format.JSON:
        return structlog.processors.JSONRenderer()
    return structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)


def _drop_empty(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value for key, value in event.items() if value is not None}


def _for_people(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    mark, color = _STYLES.get(event.pop("level"), ("•", "0"))
    text = event.pop("event")
    if text == "finding":
        return f"\x1b[{color}m{mark}\x1b[0m {_finding(event)}"
    fields = "  ".join(f"\x1b[2m{key}\x1b[0m {value}" for key, value in event.items())
    return f"\x1b[{color}m{mark}\x1b[0m {text}  {fields}".rstrip()


def _finding(event: MutableMapping[str, Any]) -> str:
    where = " ".join(str(event[k]) for k in ("where", "object") if k in event)
    parts = [f"{where}: {event.get('type', '')} ({event.get('effect', '')})", str(event.get("field", ""))]
    if value := event.get("value"):
        parts.append(f"= {value!r}")
    if accepted := event.get("accepted"):
        parts.append(f"wants {accepted}")
    if message := event.get("message"):
        parts.append(str(message))
    return "  ".join(part for part in parts if part)
