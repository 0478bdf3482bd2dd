"""The memory in which nginx's workers count, as another process finds and reads it (``lua/tidegate/metrics/cells.lua``).

It belongs to no file system: it is reached through the descriptors of a process of nginx. What was opened once stays
readable when that process is gone.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

_PROC: Final = Path("/proc")
_CELLS: Final = "/memfd:tidegate-cells-"
_LABELS: Final = "/memfd:tidegate-labels-"
_HEAD: Final = struct.Struct("<4I1000i")
_HEAD_BYTES: Final = 4096
_MAGIC: Final = 0x54474D31
_PAGE: Final = 4096
_STEP: Final = 64
"""Cells that are read at once."""

COUNT_LIMIT: Final = 2**32
"""Where counts begin anew."""


class Layout(msgspec.Struct, frozen=True):
    """What a cell holds."""

    mode: str
    bytes: int
    cells: int
    """There may be so many; the first is for what has no other."""
    times: tuple[float, ...]
    lengths: tuple[float, ...] = ()
    sizes: tuple[float, ...] = ()
    per_host: bool = True
    classes: bool = False

    @property
    def is_full(self) -> bool:
        """Tell whether it is what ingress-nginx has."""
        return self.mode == "full"

    @property
    def sums(self) -> int:
        """Give the number of sums, which come first."""
        return 6 if self.is_full else 1

    @property
    def counts(self) -> int:
        """Give the number of counts, which follow."""
        if not self.is_full:
            return 6 + len(self.times) + 1
        return 4 * (len(self.times) + 1) + 2 * (len(self.lengths) + 1) + len(self.sizes) + 1

    @property
    def values(self) -> struct.Struct:
        """Give the form of a cell."""
        return struct.Struct(f"<{self.sums}d{self.counts}I")


class Labels(msgspec.Struct, frozen=True):
    """What a cell stands for."""

    n: int = 0
    namespace: str = ""
    ingress: str = ""
    service: str = ""
    path: str = ""
    host: str = ""
    method: str = ""
    status: str = ""
    canary: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Give all but the number."""
        return tuple(getattr(self, name) for name in self.__struct_fields__[1:])


_LAYOUT: Final = msgspec.json.Decoder(Layout)
_LABEL: Final = msgspec.json.Decoder(Labels)


class Area:
    """The memory of one nginx, for one layout."""

    def __init__(self, folder: Path, cells: int, labels: int) -> None:
        """Take descriptors, which are closed with it. Raises ``ValueError`` if they are not what they should be."""
        self.folder = folder
        self._cells, self._labels = cells, labels
        self._read = 0
        self._rest = b""
        lines = self._new_lines()
        head = _HEAD.unpack(os.pread(cells, _HEAD.size, 0).ljust(_HEAD.size, b"\0"))
        if head[0] != _MAGIC or not lines:
            raise ValueError("not the memory of counts")
        try:
            self.layout = _LAYOUT.decode(lines[0])
        except msgspec.MsgspecError as e:
            raise ValueError(str(e)) from e
        self._region = -(-head[2] * head[1] // _PAGE) * _PAGE
        self.known: list[Labels] = []
        self._take(lines[1:])

    def close(self) -> None:
        """Let it go."""
        os.close(self._cells)
        os.close(self._labels)

    def _new_lines(self) -> list[bytes]:
        parts = [self._rest]
        while data := os.pread(self._labels, 1 << 20, self._read):
            self._read += len(data)
            parts.append(data)
        *lines, self._rest = b"".join(parts).split(b"\n")
        return lines

    def _take(self, lines: list[bytes]) -> None:
        for line in lines:
            with contextlib.suppress(msgspec.MsgspecError):
                self.known.append(_LABEL.decode(line))

    def new_labels(self) -> list[Labels]:
        """Give the labels that came since the last time."""
        self._take(self._new_lines())
        found, self.known = self.known, []
        return found

    def chunks(self, most: int) -> Iterator[tuple[int, int, bytes]]:
        """Give slot, number of the first cell and bytes of every piece up to cell `most`; no piece ends inside a cell."""
        pids = _HEAD.unpack(os.pread(self._cells, _HEAD.size, 0))[4:]
        size = self.layout.bytes
        for slot in (number for number, pid in enumerate(pids) if pid):
            start = _HEAD_BYTES + slot * self._region
            for first in range(0, most + 1, _STEP):
                yield slot, first, os.pread(self._cells, _STEP * size, start + first * size)


def master_of(folder: Path) -> int:
    """Give the master of an instance, 0 if there is none."""
    try:
        return int((folder / "nginx.pid").read_text())
    except (OSError, ValueError):
        return 0


def find(folder: Path, pids: list[int], known: set[int]) -> Iterator[tuple[int, Area]]:
    """Give the areas of an instance that are not known yet, by inode, through the descriptors of its processes."""
    for pid in pids:
        links = dict(_links(pid))
        for path, target in links.items():
            if not target.startswith(_CELLS):
                continue
            name = target[len(_CELLS) :]
            other = next((p for p, t in links.items() if t == _LABELS + name), None)
            with contextlib.suppress(OSError, ValueError):
                inode = path.stat().st_ino
                if inode not in known and other is not None:
                    known.add(inode)
                    yield inode, Area(folder, os.open(path, os.O_RDONLY), os.open(other, os.O_RDONLY))


def _links(pid: int) -> Iterator[tuple[Path, str]]:
    with contextlib.suppress(OSError):
        for path in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                yield path, str(path.readlink())


def working_in(root: Path) -> dict[Path, list[int]]:
    """Give the processes whose working folder is one below `root`, by folder: also those without a master."""
    found: dict[Path, list[int]] = {}
    for path in _PROC.iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                folder = (path / "cwd").readlink()
                if folder.parent == root:
                    found.setdefault(folder, []).append(int(path.name))
    return found
