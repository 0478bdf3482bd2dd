"""The reader of the pipe: one thread empties it, another one writes, with a bounded queue between them.

The reading thread does nothing that can block but read. What does not fit into the queue, because the disk is full or the
reader of standard output is frozen, is dropped and counted.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

from tidegate.dataplane.access_log._accounts import Account
from tidegate.dataplane.access_log._framing import Framer, Piece
from tidegate.dataplane.access_log._repair import strict
from tidegate.dataplane.access_log._sinks import Sink, stamp

STATS = "access-log.json"
"""In the state folder: how the log is, written once a second: for metrics, for commands, and for the next writer."""

MOST_WAITING = 16 * 1024 * 1024
"""Bytes that wait for the file at most."""

_PIECE = 1024 * 1024
_PORTION = 192 * 1024
"""Bytes that are to come at a time: many lines at once cost little each, and most of the pipe stays free for a burst."""
_SHORTEST, _LONGEST = 0.001, 0.05
"""Seconds between two reads, chosen so that about a portion comes."""
_TICK = 1.0
_RETRY = 0.5
"""Seconds between two attempts at a file that cannot be written."""


class _Batch(NamedTuple):
    text: bytes
    lines: int


class Writer:
    """From a pipe to a sink, until the pipe's other ends are closed or `stop` is called."""

    def __init__(self, pipe: int, sink: Sink, folder: Path, to: str, *, tells: bool) -> None:
        """Take the reading end; `tells` says that losses may be told by lines of JSON in the log itself."""
        self._pipe = pipe
        self._sink = sink
        self._to = to
        self._stats = folder / STATS
        self._tells = tells
        kept = _load(self._stats)
        self.account = Account(kept.get("account"))
        self.dropped: int = kept.get("dropped", 0)
        """Lines that came out of the pipe and could not be kept."""
        self.written: int = kept.get("written", 0)
        self._framer = Framer()
        self._queue: deque[_Batch] = deque()
        self._waiting = 0
        self._untold = 0
        self._changed = threading.Condition()
        self._ending = False
        self._saved_at = 0.0

    def run(self) -> None:
        """Work until the end; all that waits is written first, unless the sink refuses."""
        thread = threading.Thread(target=self._write_all, daemon=True)
        thread.start()
        try:
            self._read_all()
        finally:
            with self._changed:
                self._ending = True
                self._changed.notify()
            thread.join(5)
            self._save(time.monotonic(), at_once=True)

    def stop(self) -> None:
        """Read no more."""
        self._ending = True

    # --- reading --------------------------------------------------------------------------------------------

    def _read_all(self) -> None:
        pause = _LONGEST
        while not self._ending:
            ready, _, _ = select.select([self._pipe], [], [], _TICK)
            data = os.read(self._pipe, _PIECE) if ready else None
            if data == b"":
                return
            now = time.monotonic()
            if data:
                self._take(self._framer.take(data), now)
            if (data is None or len(data) < _PIECE) and (lost := self.account.settle(now)):
                self._tell(lost)
            self._save(now)
            if data:
                pause = min(_LONGEST, max(_SHORTEST, pause * _PORTION / len(data)))
                time.sleep(pause)

    def _take(self, piece: Piece, now: float) -> None:
        self.account.take(piece.marks, piece.requests, now)
        if piece.text:
            self._put(_Batch(strict(piece.text), piece.lines))

    def _put(self, batch: _Batch) -> None:
        with self._changed:
            if self._waiting + len(batch.text) > MOST_WAITING:
                self.dropped += batch.lines
                self._untold += batch.lines
                return
            if self._untold and self._tells:
                batch = _Batch(_told(self._untold, "the log could not be written") + batch.text, batch.lines)
                self._untold = 0
            self._queue.append(batch)
            self._waiting += len(batch.text)
            self._changed.notify()

    def _tell(self, lost: int) -> None:
        if self._tells:
            self._put(_Batch(_told(lost, "the pipe was full"), 0))

    # --- writing --------------------------------------------------------------------------------------------

    def _write_all(self) -> None:
        while (batch := self._next()) is not None:
            left = batch.text
            while left and (done := self._sink.write(left)) < len(left):
                left = left[done:]
                if self._ending:
                    self.dropped += batch.lines
                    break
                time.sleep(_RETRY)
            else:
                self.written += batch.lines
            with self._changed:
                self._waiting -= len(batch.text)

    def _next(self) -> _Batch | None:
        with self._changed:
            while not self._queue and not self._ending:
                self._changed.wait()
            return self._queue.popleft() if self._queue else None

    # --- how it is ------------------------------------------------------------------------------------------

    def told(self) -> dict[str, Any]:
        """Say how the log is."""
        return {
            "to": self._to,
            "pid": os.getpid(),
            "time": round(time.time(), 3),
            "written": self.written,
            "lost_in_pipe": self.account.lost,
            "dropped": self.dropped,
            "lost": self.account.lost + self.dropped,
            "waiting_bytes": self._waiting,
            "trouble": self._sink.trouble,
            "account": self.account.kept(),
        }

    def _save(self, now: float, *, at_once: bool = False) -> None:
        if not at_once and now - self._saved_at < _TICK:
            return
        self._saved_at = now
        fresh = self._stats.with_suffix(".new")
        # Of no use on a full disk, and of no harm: the old one stays.
        with contextlib.suppress(OSError):
            fresh.write_text(json.dumps(self.told()))
            fresh.rename(self._stats)


def _told(lines: int, why: str) -> bytes:
    what = {"schema": "tidegate.access/1", "time": stamp(), "event": "lines lost", "lines": lines, "why": why}
    return json.dumps(what, separators=(",", ":")).encode() + b"\n"


def _load(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
