"""Asks a keeper over its socket, by the inner contract and with none of the gateway's own code."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path
from typing import Any

_LENGTHS = struct.Struct(">II")


class Refused(RuntimeError):
    """The keeper answered with an error."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(f"{answer.get('error')}: {answer.get('message')}")
        self.answer = answer


def ask(path: Path, op: str, payload: bytes = b"", **fields: object) -> tuple[dict[str, Any], bytes]:
    """Send one request; give header and payload of the reply. Raises ``Refused`` if it is not ``ok``."""
    header = json.dumps({"op": op, **fields}).encode()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(str(path))
        s.sendall(_LENGTHS.pack(len(header), len(payload)) + header + payload)
        head, body = _LENGTHS.unpack(_exactly(s, _LENGTHS.size))
        answer: dict[str, Any] = json.loads(_exactly(s, head))
        data = _exactly(s, body)
    if not answer.get("ok"):
        raise Refused(answer)
    return answer, data


def _exactly(s: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = s.recv(min(count - len(data), 1 << 20))
        if not part:
            raise ConnectionError(f"the keeper hung up after {len(data)} of {count} bytes")
        data += part
    return bytes(data)
