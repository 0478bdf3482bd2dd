"""``python -m tidegate.dataplane.access_log``: read the pipe of a state folder, write the access log.

It ends by itself once keeper and nginx have both let go of the pipe. One at a time works on a state folder: the next one
waits for the lock. SIGTERM lets it write what it has read, and end.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import resource
import signal
import sys
from pathlib import Path

from tidegate.dataplane.access_log._destination import FIFO, LOCK, STDOUT
from tidegate.dataplane.access_log._sinks import FileSink, Sink, StreamSink
from tidegate.dataplane.access_log._writer import Writer


def main() -> int:
    """Work until the end; give the exit code."""
    options = _arguments()
    os.umask(0o027)
    # A file that no longer fits a limit is an error to tell, not the end.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    lock = _lock(options.state_dir)
    # Not blocking, or opening would wait for somebody who writes.
    pipe = os.open(options.state_dir / FIFO, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    writer = Writer(pipe, _sink(options), options.state_dir, options.to, tells=options.tell)
    signal.signal(signal.SIGTERM, lambda *_: writer.stop())
    signal.signal(signal.SIGINT, lambda *_: writer.stop())
    writer.run()
    os.close(lock)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Read the pipe of a state folder, write the access log.")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--to", required=True, help=f"a file, or {STDOUT}")
    parser.add_argument("--most", type=int, default=0, help="bytes of the file before it is moved aside")
    parser.add_argument("--copies", type=int, default=1, help="old files that are kept")
    parser.add_argument("--tell", action="store_true", help="tell losses by lines of JSON in the log itself")
    return parser.parse_args()


def _lock(folder: Path) -> int:
    fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.ftruncate(fd, 0)
    os.pwrite(fd, json.dumps({"pid": os.getpid(), "arguments": sys.argv[1:]}).encode(), 0)
    return fd


def _sink(options: argparse.Namespace) -> Sink:
    if options.to == STDOUT:
        return StreamSink(1)
    return FileSink(Path(options.to), most=options.most, copies=options.copies)


if __name__ == "__main__":
    raise SystemExit(main())
