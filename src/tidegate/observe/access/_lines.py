"""Lines of the JSON access log (schema ``tidegate.access/1``), and where the files are."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tidegate.dataplane.access_log import STATS, STDOUT


class Line(msgspec.Struct, frozen=True):
    """What one line says; the fields are those of the log."""

    request_id: str
    time: str = ""
    msec: float = 0.0
    """Unix seconds at which the request was over."""
    client: str = ""
    method: str = ""
    scheme: str = ""
    host: str = ""
    uri: str = ""
    protocol: str = ""
    status: int = 0
    layer: str = ""
    bytes: int = 0
    request_bytes: int = 0
    request_time: float = 0.0
    route: str = ""
    namespace: str = ""
    ingress: str = ""
    service: str = ""
    service_port: str = ""
    backend: str = ""
    profile: str = ""
    upstream: str = ""
    upstream_status: str = ""
    upstream_connect_time: str = ""
    upstream_header_time: str = ""
    upstream_time: str = ""
    tls: str = ""
    cipher: str = ""
    sni: str = ""

    @property
    def backend_id(self) -> str:
        """Give the backend that the request went to, empty if it had no route."""
        own = f"{self.namespace}/{self.service}/{self.service_port}" if self.service else ""
        return self.backend or own


class Try(msgspec.Struct, frozen=True):
    """One endpoint that was asked; times in seconds, None where it did not come that far."""

    endpoint: str
    status: int | None
    connect: float | None
    header: float | None
    total: float | None


_DECODER = msgspec.json.Decoder(Line)
_LIST = re.compile(r"\s*(?:,|\s:)\s+")
_PIECE = 1024 * 1024


def decode(line: bytes) -> Line | None:
    """Read a line; None for one that is not of a request."""
    try:
        return _DECODER.decode(line)
    except msgspec.MsgspecError:
        return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def tries(line: Line) -> list[Try]:
    """Give the endpoints that were asked, in their order."""
    if not line.upstream:
        return []
    columns = [
        _LIST.split(text)
        for text in (
            line.upstream,
            line.upstream_status,
            line.upstream_connect_time,
            line.upstream_header_time,
            line.upstream_time,
        )
    ]
    found = []
    for at, endpoint in enumerate(columns[0]):
        status, *times = (_number(column[at]) if at < len(column) else None for column in columns[1:])
        found.append(Try(endpoint, None if status is None else int(status), *times))
    return found


def log_files(state_dir: Path) -> tuple[Path, ...]:
    """Give the files of a gateway's access log, the newest first; none if it goes elsewhere."""
    try:
        to = str(json.loads((state_dir / STATS).read_bytes())["to"])
    except (OSError, ValueError, KeyError):
        return ()
    if to == STDOUT:
        return ()
    path = Path(to)
    old = sorted(
        (p for p in path.parent.glob(f"{path.name}.*") if p.suffix[1:].isdigit()),
        key=lambda p: int(p.suffix[1:]),
    )
    return tuple(p for p in (path, *old) if p.is_file())


def find(files: Iterator[Path] | tuple[Path, ...], request_id: str) -> Line | None:
    """Give the last line of a request, looking from the end. Raises ``OSError``."""
    wanted = f'"request_id":{json.dumps(request_id, ensure_ascii=False)}'.encode()
    for path in files:
        if line := _find_in(path, wanted, request_id):
            return line
    return None


def _find_in(path: Path, wanted: bytes, request_id: str) -> Line | None:
    with path.open("rb") as file:
        if not path.stat().st_size:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at = data.rfind(wanted)
            while at >= 0:
                begin, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
                line = decode(data[begin : end if end >= 0 else len(data)])
                # The text may stand in a URI, too.
                if line is not None and line.request_id == request_id:
                    return line
                at = data.rfind(wanted, 0, at)
    return None
