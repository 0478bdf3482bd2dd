"""The exporter: reads the pipe, keeps a bounded queue of spans, sends them in batches by OTLP over HTTP.

Reading and sending are two threads, so that a collector that is slow or gone fills the queue, and then spans are dropped;
never does it fill the pipe. It ends when the settings are taken away, or when whoever started it has ended.
"""

from __future__ import annotations

import http.client
import os
import select
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from tidegate.dataplane.tracing import _spans
from tidegate.dataplane.tracing._settings import PIPE, STATS, Settings, Stats, read

_LOOK: Final = 1.0
"""Seconds between two looks at the settings."""
_ANSWER: Final = 10.0
"""Seconds that a collector may take."""
_CHUNK: Final = 1 << 16
_LONGEST: Final = 1 << 16
"""Bytes of a line; more without an end is no line of ours."""


class Exporter:
    """One exporter on a state folder."""

    def __init__(self, state_dir: Path, settings: Settings) -> None:
        """Take its settings; nothing is opened yet."""
        self._state_dir = state_dir
        self._settings = settings
        self._queue: deque[_spans.Span] = deque()
        self._full = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self.stats = Stats()

    def run(self) -> None:
        """Export until there is nothing to do any more. Raises ``OSError`` if the pipe cannot be opened."""
        parent = os.getppid()
        # Both ways, or it would end with the last writer.
        pipe = os.open(self._state_dir / PIPE, os.O_RDWR | os.O_NONBLOCK)
        sender = threading.Thread(target=self._send_all, daemon=True)
        sender.start()
        rest, look = b"", 0.0
        while os.getppid() == parent:
            if select.select([pipe], [], [], _LOOK)[0]:
                rest = self._take(rest + os.read(pipe, _CHUNK))
            if time.monotonic() < look:
                continue
            look, settings = time.monotonic() + _LOOK, read(self._state_dir)
            if settings is None:
                break
            self._settings = settings
        self._ended.set()
        self._full.set()
        sender.join(_ANSWER)

    def _take(self, data: bytes) -> bytes:
        *lines, rest = data.split(b"\n")
        for line in lines:
            try:
                record = _spans.decode(line)
                self.stats.lost = record.lost
                self._keep(_spans.spans(record))
            except (msgspec.MsgspecError, ValueError, OverflowError):
                self.stats.unreadable += 1
        return rest if len(rest) < _LONGEST else b""

    def _keep(self, made: list[_spans.Span]) -> None:
        with self._lock:
            if len(self._queue) + len(made) > self._settings.queue:
                self.stats.dropped += len(made)
                return
            self._queue.extend(made)
            if len(self._queue) >= self._settings.batch:
                self._full.set()

    def _send_all(self) -> None:
        self._tell()
        while not self._ended.is_set():
            self._full.wait(self._settings.delay / 1000)
            self._full.clear()
            while batch := self._next():
                self._send(batch)
            self._tell()

    def _next(self) -> list[_spans.Span]:
        with self._lock:
            return [self._queue.popleft() for _ in range(min(len(self._queue), self._settings.batch))]

    def _send(self, batch: list[_spans.Span]) -> None:
        settings = self._settings
        connection = http.client.HTTPConnection(settings.host, settings.http_port, timeout=_ANSWER)
        try:
            body = _spans.payload(settings.service, batch)
            connection.request("POST", "/v1/traces", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            problem = "" if answer.status < 300 else f"the collector answers {answer.status}"
        except (OSError, http.client.HTTPException) as e:
            problem = f"the collector does not answer: {e}"
        finally:
            connection.close()
        if problem:
            self.stats.dropped += len(batch)
        else:
            self.stats.exported += len(batch)
        if problem != self.stats.problem:
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            sys.stderr.write(
                f"time={moment} level=warning event={msgspec.json.encode(problem or 'spans are taken again').decode()}\n"
            )
            sys.stderr.flush()
        self.stats.problem = problem

    def _tell(self) -> None:
        aside = self._state_dir / f".{STATS}"
        try:
            aside.write_bytes(msgspec.json.encode(self.stats))
            aside.replace(self._state_dir / STATS)
        except OSError:
            # A full disk; spans go on.
            return
