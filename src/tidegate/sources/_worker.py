"""The reader's other process: takes lists of files on stdin, gives their documents on stdout. Ends when stdin does.

Large files are read here, so that the gateway's event loop never waits for one, and so that text which exhausts memory ends
this process and not that one. Frames are a length (u32, big-endian) and that many bytes.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterator
from typing import BinaryIO, Final

from tidegate.sources import _opening, _reading, _wire
from tidegate.sources._wire import Job, Part

MEMORY_BYTES: Final = 4 * 1024**3
"""Address space of this process: some 20 times what a file of the default limit takes at worst."""

NICE: Final = 10
"""Where processors are scarce, traffic and news of endpoints go before the reading of large files."""

FRAME_BYTES: Final = 64 * 1024
"""About the size of an answer: what the other side decodes in one slice of its loop."""

LENGTH: Final = struct.Struct(">I")


def main() -> None:
    """Serve until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gateway, which ends this process
    os.nice(NICE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with contextlib.suppress(
        MemoryError, BrokenPipeError
    ):  # the other side sees that the answer ends too early
        _serve(sys.stdin.buffer, sys.stdout.buffer)


def _serve(source: BinaryIO, target: BinaryIO) -> None:
    while head := source.read(LENGTH.size):
        jobs = _wire.decode_jobs(source.read(LENGTH.unpack(head)[0]))
        for frame in _answers(jobs):
            _send(target, frame)


def _send(target: BinaryIO, frame: list[Part]) -> None:
    data = _wire.encode(frame)
    target.write(LENGTH.pack(len(data)) + data)
    target.flush()


def _answers(jobs: list[Job]) -> Iterator[list[Part]]:
    """Give the parts of all files, gathered into frames of a good size."""
    frame: list[Part] = []
    size = 0
    for job in jobs:
        part = Part(job.file, [])
        frame.append(part)
        for entry, weight in _entries(job, part):
            part.entries.append(entry)
            size += weight
            if size > FRAME_BYTES:
                yield frame
                fault, gone = part.fault, part.gone
                part = Part(job.file, [], fault=fault, gone=gone)
                frame, size = [part], 0
        part.last = True
    yield frame


def _entries(job: Job, part: Part) -> Iterator[tuple[_wire.Entry, int]]:
    """Give the documents of a file with their sizes; a fault of the file is noted in the part."""
    try:
        data = _opening.load(job.file, job.limit)
    except FileNotFoundError:
        part.gone = True
        return
    except MemoryError:
        data = _opening.too_large(job.file, job.limit, job.limit)
    if not isinstance(data, bytes):
        part.fault = data
        return
    for found in _reading.read(job.file, data, frozenset(job.known)):
        entry = _wire.pack(found)
        yield entry, 64 + sum(len(o.body) for o in entry.items or ())


if __name__ == "__main__":
    main()
