r"""Deltas: entries that changed together, with the reason and the version; and their wire form.

The same bytes travel to the keeper and to nginx and are appended to the journal:

    <JSON header>\n<record><record>…
    record = op u8 ('S' set, 'D' delete) · 0 u8 · key length u16 · value length u32 · key · value   (big-endian)

A delta is in force everywhere or nowhere.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import msgspec

_RECORD = struct.Struct(">cxHI")


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which object led to a change, and which of its fields."""

    object: str
    """``Kind namespace/name``."""
    fields: tuple[str, ...] = ()
    """Paths of the fields that differ, at most a few; empty for an object that came or went."""
    action: str = "changed"
    """``added``, ``changed`` or ``removed``."""


class _Header(msgspec.Struct):
    version: int
    base: int
    time: float
    count: int
    causes: tuple[Cause, ...] = ()


class Delta(msgspec.Struct, frozen=True):
    """Entries to set (bytes) or delete (None), going from version ``base`` to ``version``."""

    version: int
    base: int
    time: float
    """Unix seconds."""
    changes: Mapping[str, bytes | None]
    causes: tuple[Cause, ...] = ()

    def to_bytes(self) -> bytes:
        """Give the wire form."""
        header = _Header(self.version, self.base, self.time, len(self.changes), self.causes)
        parts = [msgspec.json.encode(header), b"\n"]
        for key, value in self.changes.items():
            name = key.encode()
            if value is None:
                parts += (_RECORD.pack(b"D", len(name), 0), name)
            else:
                parts += (_RECORD.pack(b"S", len(name), len(value)), name, value)
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Delta:
        """Read the wire form. Raises ``ValueError`` if the bytes are not a whole delta."""
        head, newline, _ = data.partition(b"\n")
        if not newline:
            raise ValueError("delta without a header line")
        try:
            header = msgspec.json.decode(head, type=_Header)
        except msgspec.MsgspecError as e:
            raise ValueError(f"delta header: {e}") from e
        changes: dict[str, bytes | None] = {}
        at = len(head) + 1
        while at < len(data):
            if at + _RECORD.size > len(data):
                raise ValueError("delta cut inside a record")
            op, key_length, value_length = _RECORD.unpack_from(data, at)
            at += _RECORD.size
            end = at + key_length + value_length
            if end > len(data) or op not in {b"S", b"D"}:
                raise ValueError("delta cut inside a record, or not a record")
            key = data[at : at + key_length].decode()
            changes[key] = data[at + key_length : end] if op == b"S" else None
            at = end
        if len(changes) != header.count:
            raise ValueError(f"delta holds {len(changes)} records, its header says {header.count}")
        return cls(header.version, header.base, header.time, changes, header.causes)
