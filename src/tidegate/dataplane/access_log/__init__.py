"""The access log on its way from nginx to its file: a pipe that never blocks a request, and the process that reads it.

nginx collects lines in a buffer of each worker and writes whole buffers into a named pipe (``<state-dir>/access.fifo``).
The write never waits: if the pipe is full, because its reader is frozen or slower than the traffic, the buffer is gone, and
the loss is counted. The reader (``python -m tidegate.dataplane.access_log``) is a process of its own that the keeper sees
to. It makes each line strict JSON, writes, moves large files aside, opens the file anew where somebody else moved or removed
it, and waits for a full disk in bounded memory, so that none of these is ever nginx's trouble.

Only the standard library is used: the process is to stay small.
"""

from tidegate.dataplane.access_log._accounts import Account
from tidegate.dataplane.access_log._destination import FIFO, LOCK, NOWHERE, STDOUT, Destination
from tidegate.dataplane.access_log._framing import Framer, Mark, Piece
from tidegate.dataplane.access_log._repair import strict
from tidegate.dataplane.access_log._sinks import FileSink, Sink, StreamSink
from tidegate.dataplane.access_log._writer import STATS, Writer

__all__ = [
    "FIFO",
    "LOCK",
    "NOWHERE",
    "STATS",
    "STDOUT",
    "Account",
    "Destination",
    "FileSink",
    "Framer",
    "Mark",
    "Piece",
    "Sink",
    "StreamSink",
    "Writer",
    "strict",
]
