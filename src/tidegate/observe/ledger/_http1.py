"""HTTP/1.1 as a client reads it: one answer at a time, its body whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field

_BODILESS = frozenset({"204", "304"})


class Malformed(ValueError):
    """What came is no answer."""


@dataclass(slots=True)
class Answer:
    """A whole answer; names of headers in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    keeps_alive: bool = True


@dataclass(slots=True)
class Reader:
    """Takes bytes as they come. ``feed`` gives the answer once it is whole; ``end`` says that no more will come."""

    _data: bytearray = field(default_factory=bytearray)
    _answer: Answer | None = None
    _left: int = 0
    """Bytes that the body still wants; -1: until the connection ends, -2: chunks."""
    _body: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> Answer | None:
        """Take bytes; give the answer if it is whole now. Raises ``Malformed``."""
        self._data += data
        if self._answer is None and not self._head():
            return None
        answer = self._answer
        if answer is None:
            return None
        if self._left == -2:
            return self._chunks(answer)
        if self._left < 0 or len(self._data) < self._left:
            return None
        return self._whole(answer, bytes(self._data[: self._left]), self._left)

    def end(self) -> Answer | None:
        """Give the answer whose body lasted as long as its connection."""
        if self._answer is not None and self._left == -1:
            return self._whole(self._answer, bytes(self._data), len(self._data))
        return None

    @property
    def began(self) -> bool:
        """Part of an answer has come."""
        return self._answer is not None or bool(self._data)

    def _head(self) -> bool:
        while True:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return False
            lines = bytes(self._data[:end]).decode("latin-1").split("\r\n")
            del self._data[: end + 4]
            version, _, rest = lines[0].partition(" ")
            status = rest[:3]
            if not version.startswith("HTTP/1.") or not status.isdigit():
                raise Malformed(f"not a status line: {lines[0][:60]!r}")
            if status[0] != "1":
                break
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self._framed(Answer(int(status), headers), version, status)
        return True

    def _framed(self, answer: Answer, version: str, status: str) -> None:
        connection = answer.headers.get("connection", "").lower()
        answer.keeps_alive = "close" not in connection and (
            version != "HTTP/1.0" or "keep-alive" in connection
        )
        length = answer.headers.get("content-length")
        if status in _BODILESS:
            self._left = 0
        elif "chunked" in answer.headers.get("transfer-encoding", "").lower():
            self._left = -2
        elif length is None:
            self._left, answer.keeps_alive = -1, False
        elif length.isdigit():
            self._left = int(length)
        else:
            raise Malformed(f"not a length: {length[:60]!r}")
        self._answer = answer

    def _chunks(self, answer: Answer) -> Answer | None:
        while True:
            end = self._data.find(b"\r\n")
            if end < 0:
                return None
            try:
                size = int(bytes(self._data[:end]).partition(b";")[0], 16)
            except ValueError:
                raise Malformed(f"not the size of a chunk: {bytes(self._data[:60])!r}") from None
            if len(self._data) < end + size + 4:
                return None
            if size == 0:
                return self._whole(answer, bytes(self._body), end + 4)
            self._body += self._data[end + 2 : end + 2 + size]
            del self._data[: end + size + 4]

    def _whole(self, answer: Answer, body: bytes, used: int) -> Answer:
        answer.body, self._answer = body, None
        del self._data[:used]
        self._body.clear()
        return answer
