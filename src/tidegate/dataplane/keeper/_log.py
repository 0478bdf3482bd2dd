"""The keeper's log: one event a line, with fields.

    time=2026-01-02T03:04:05.678Z level=info event="nginx started" pid=17 seconds=0.12

It uses the standard library alone, since the keeper is to stay small.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import re
import time
from pathlib import Path

_LOGGER = logging.getLogger("tidegate.keeper")
_MOST = 1024 * 1024
"""Bytes of a log file before it becomes the old one; there is one old one."""

_PLAIN = re.compile(r"[A-Za-z0-9_.:/@%+,-]+")


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = f"time={moment}.{int(record.msecs):03}Z level={record.levelname.lower()}"
        line += f" event={_text(record.getMessage())}"
        if record.exc_info:
            line += f" exception={_text(self.formatException(record.exc_info))}"
        return line + getattr(record, "fields", "")


def _text(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def begin(path: Path, *, on_stderr: bool) -> None:
    """Write the log to a file from now on, and also to standard error if asked for."""
    # A full disk must not stop anything, and there is nobody to be told about lost lines.
    logging.raiseExceptions = False
    handlers: list[logging.Handler] = [
        logging.handlers.RotatingFileHandler(path, maxBytes=_MOST, backupCount=1)
    ]
    if on_stderr:
        handlers.append(logging.StreamHandler())
    for handler in handlers:
        handler.setFormatter(_Lines())
        _LOGGER.addHandler(handler)
        logging.getLogger("asyncio").addHandler(handler)
    _LOGGER.setLevel(logging.INFO)
    _LOGGER.propagate = False


def info(event: str, **fields: object) -> None:
    """Log something that is as it should be."""
    _log(logging.INFO, event, fields)


def warning(event: str, **fields: object) -> None:
    """Log something that somebody should look at."""
    _log(logging.WARNING, event, fields)


def fault(event: str, **fields: object) -> None:
    """Log an exception that nobody expected; call it where it is caught."""
    _log(logging.ERROR, event, fields, exception=True)


def _log(level: int, event: str, fields: dict[str, object], *, exception: bool = False) -> None:
    text = "".join(f" {name}={_text(value)}" for name, value in fields.items())
    _LOGGER.log(level, "%s", event, extra={"fields": text}, exc_info=exception)
