"""Histories on the disk: appended line by line, read back whole."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from tidegate.observe.ledger._errors import BadHistory
from tidegate.observe.ledger._records import Record

History = list[Record]

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class Writer:
    """Appends records to a file.

    ``at_once``: each record is with the operating system before ``write`` returns, so that whoever is killed afterwards
    has told what it did. Otherwise records wait in memory for ``flush``. Raises ``BadHistory`` if the file cannot be
    opened, ``OSError`` if it cannot be written.
    """

    def __init__(self, path: Path, *, at_once: bool = False) -> None:
        try:
            self._file = path.open("ab", buffering=0 if at_once else 1 << 18)
        except OSError as e:
            raise BadHistory(f'history "{path}" cannot be written: {e.strerror}') from e

    def write(self, record: Record) -> None:
        """Append one record."""
        self._file.write(_ENCODER.encode(record) + b"\n")

    def flush(self) -> None:
        """Hand over what waits."""
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._file.close()


def read(paths: Iterable[Path]) -> History:
    """Read histories; their order makes no difference. Raises ``BadHistory`` with file and line.

    A last line that was cut off belongs to a writer that was killed, and is passed over.
    """
    found: History = []
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as e:
            raise BadHistory(f'history "{path}" cannot be read: {e.strerror}') from e
        lines = data.split(b"\n")
        found += (_record(line, path, number) for number, line in enumerate(lines[:-1], 1) if line.strip())
    return found


def _record(line: bytes, path: Path, number: int) -> Record:
    try:
        return _DECODER.decode(line)
    except msgspec.MsgspecError as e:
        raise BadHistory(f"{path}:{number}: no line of a history: {e}") from e
