"""What travels over the keeper's socket, either way: a header (JSON object) and a payload (bytes).

    header length u32 · payload length u32 (big-endian) · header · payload

Operations, replies and errors stand in ``docs/contributing/contract.md``.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from typing import Any

import msgspec

_HEAD = struct.Struct(">II")
MOST_HEADER = 4 * 1024 * 1024
MOST_PAYLOAD = 1024 * 1024 * 1024
"""Bytes. Nothing that is meant comes near; they keep a stray client from filling the memory."""

_DECODER = msgspec.json.Decoder(dict[str, Any])


class BadFrame(Exception):
    """Bytes that are no frame."""


async def read(reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    """Read one frame. Raises `BadFrame`, and ``IncompleteReadError`` at the end of the stream."""
    header_length, payload_length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    if header_length > MOST_HEADER or payload_length > MOST_PAYLOAD:
        raise BadFrame(f"a frame of {header_length} + {payload_length} bytes")
    try:
        header = _DECODER.decode(await reader.readexactly(header_length))
    except msgspec.MsgspecError as e:
        raise BadFrame(str(e)) from e
    return header, await reader.readexactly(payload_length)


def head(header: Mapping[str, Any], payload_length: int) -> bytes:
    """Give a frame without its payload."""
    text = msgspec.json.encode(header)
    return _HEAD.pack(len(text), payload_length) + text


async def write(writer: asyncio.StreamWriter, header: Mapping[str, Any], payload: bytes = b"") -> None:
    """Write one frame."""
    writer.write(head(header, len(payload)))
    if payload:
        writer.write(payload)
    await writer.drain()
