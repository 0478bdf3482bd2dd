"""Records of the journal's files: magic, length, checksum, and one delta.

    'TGJ1' · length u32 · CRC-32 of the delta u32 (big-endian) · the delta

A process can be killed and a disk can fill up in the middle of a record. Reading therefore ends at the first record
that is not whole, and says where that is; it never fails because of what it finds in a file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tidegate.dataplane.journal import _wire

MAGIC = b"TGJ1"
_HEAD = struct.Struct(">4sII")
OVERHEAD = _HEAD.size
"""Bytes that a record takes besides its delta."""


class Kept(NamedTuple):
    """One record that is whole."""

    header: _wire.Header
    delta: memoryview
    body: int
    """Where the delta's own records begin."""
    end: int
    """Where the next record begins in its file."""


def head(delta: bytes | memoryview) -> bytes:
    """Give what stands before a delta in a file."""
    return _HEAD.pack(MAGIC, len(delta), zlib.crc32(delta))


def walk(data: memoryview) -> Iterator[Kept]:
    """Give the records of a file up to the first that is not whole."""
    at = 0
    while at + _HEAD.size <= len(data):
        magic, length, checksum = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + length
        if magic != MAGIC or end > len(data):
            return
        delta = data[at + _HEAD.size : end]
        if zlib.crc32(delta) != checksum:
            return
        try:
            header, body = _wire.read_header(delta)
        except _wire.Malformed:
            return
        yield Kept(header, delta, body, end)
        at = end


def read(path: Path) -> memoryview:
    """Give the content of a file, for `walk`. Raises ``OSError``."""
    return memoryview(path.read_bytes())
