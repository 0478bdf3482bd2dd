"""The bytes of a delta, read without copying its values.

The wire form is that of `tidegate.model.Delta`. The keeper passes deltas on and puts them away, and a full one may
hold tens of megabytes, so here a record is a place in the bytes that came, never an object of its own. The causes stay
the JSON text that they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

_RECORD = struct.Struct(">cxHI")

ON_DISK_ONLY = b"o/"
"""Start of the keys that are kept on disk and never sent to nginx."""


class Malformed(ValueError):
    """Bytes that are not one whole delta."""


class Header(msgspec.Struct):
    """The first line of a delta."""

    version: int
    base: int
    time: float
    count: int
    causes: msgspec.Raw = msgspec.Raw(b"[]")


class Record(NamedTuple):
    """One change of a delta: where it stands in the bytes."""

    key: bytes
    value: int
    """Where the value begins, or -1 for a deletion."""
    start: int
    end: int


_HEADER = msgspec.json.Decoder(Header)
_LONGEST_HEADER = 16 * 1024 * 1024
"""Bytes. A header holds the causes of a change, so its length is bounded only to tell garbage from a delta."""


def read_header(data: bytes | memoryview) -> tuple[Header, int]:
    """Give the header of a delta and where its records begin. Raises `Malformed`."""
    end = _line_end(data)
    try:
        return _HEADER.decode(data[:end]), end + 1
    except msgspec.MsgspecError as e:
        raise Malformed(f"delta header: {e}") from e


def _line_end(data: bytes | memoryview) -> int:
    step = 4096
    for at in range(0, min(len(data), _LONGEST_HEADER), step):
        found = bytes(data[at : at + step]).find(b"\n")
        if found >= 0:
            return at + found
    raise Malformed("delta without a header line")


def records(data: bytes | memoryview, at: int) -> Iterator[Record]:
    """Walk over the records that begin at `at`. Raises `Malformed` where they are cut or are none."""
    size, unpack = len(data), _RECORD.unpack_from
    while at < size:
        if at + _RECORD.size > size:
            raise Malformed("delta cut inside a record")
        op, key_length, value_length = unpack(data, at)
        key_at = at + _RECORD.size
        value_at = key_at + key_length
        end = value_at + value_length
        if end > size or op not in {b"S", b"D"}:
            raise Malformed("delta cut inside a record, or not a record")
        yield Record(bytes(data[key_at:value_at]), value_at if op == b"S" else -1, at, end)
        at = end


class Parts(NamedTuple):
    """A delta as it goes to nginx: pieces to be written one after the other."""

    header: Header
    pieces: list[bytes | memoryview]
    size: int


def for_nginx(data: bytes) -> Parts:
    """Leave out what is only kept on disk. Raises `Malformed` for anything that is not one whole delta."""
    header, at = read_header(data)
    view = memoryview(data)
    spans: list[tuple[int, int]] = []
    total = kept = 0
    for record in records(data, at):
        total += 1
        if record.key.startswith(ON_DISK_ONLY):
            continue
        kept += 1
        if spans and spans[-1][1] == record.start:
            spans[-1] = (spans[-1][0], record.end)
        else:
            spans.append((record.start, record.end))
    if total != header.count:
        raise Malformed(f"delta holds {total} records, its header says {header.count}")
    pieces: list[bytes | memoryview] = [write_header(header, kept), *(view[a:b] for a, b in spans)]
    return Parts(header, pieces, sum(len(piece) for piece in pieces))


def write_header(header: Header, count: int) -> bytes:
    """Give the header line of a delta with `count` records, else the same."""
    return msgspec.json.encode(Header(header.version, header.base, header.time, count, header.causes)) + b"\n"


def write_set(key: bytes, value: bytes | memoryview) -> Iterable[bytes | memoryview]:
    """Give the record that sets `key`, in pieces."""
    return (_RECORD.pack(b"S", len(key), len(value)) + key, value)
