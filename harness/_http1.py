"""Just enough HTTP/1.1 framing, shared by the backends and the clients of the harness.

It reads what well-behaved peers send and is strict: a message that is not framed as it should be is an error,
because the gateway between them is what is being tested.
"""

from __future__ import annotations

from dataclasses import dataclass, field


class BadMessage(ValueError):
    """The peer sent something that is not HTTP/1.x."""


@dataclass(slots=True)
class Message:
    """A request or an answer: its first line's three parts, its headers as received, its body."""

    first: tuple[str, str, str]
    headers: list[tuple[str, str]]
    body: bytes = b""

    def get(self, name: str) -> str | None:
        """Give the first value of a header (any case), or None."""
        wanted = name.lower()
        return next((v for n, v in self.headers if n.lower() == wanted), None)

    @property
    def keeps_alive(self) -> bool:
        """Tell whether the connection may be used again after this message."""
        connection = (self.get("Connection") or "").lower()
        version = self.first[2] if self.first[2].startswith("HTTP/") else self.first[0]
        return "close" not in connection and (version == "HTTP/1.1" or "keep-alive" in connection)


def parse_head(data: bytes) -> Message:
    """Read a head (without the empty line that ends it)."""
    lines = data.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    if len(parts) == 2:
        parts.append("")
    if len(parts) != 3 or not any(p.startswith("HTTP/1.") for p in (parts[0], parts[2])):
        raise BadMessage(f"not a first line: {lines[0]!r}")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadMessage(f"not a header line: {line!r}")
        headers.append((name, value.strip()))
    return Message((parts[0], parts[1], parts[2]), headers)


@dataclass(slots=True)
class Reader:
    """Takes bytes as they come and gives whole messages.

    ``bodiless`` answers (to HEAD, 204, 304) must be announced by setting ``head_only`` before their bytes
    arrive.
    """

    head_only: bool = False
    until_close: bool = False
    """True for answers: a body without a length lasts until the connection ends."""
    data: bytearray = field(default_factory=bytearray)
    message: Message | None = None
    _left: int = 0
    _chunked: bool = False
    _body: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes; give the messages that are now whole."""
        self.data += data
        whole: list[Message] = []
        while (message := self._advance()) is not None:
            whole.append(message)
        return whole

    def finish(self) -> Message | None:
        """Say that the connection ended; give the answer whose body lasted until now, if there is one."""
        if self.message is not None and self._left < 0 and not self._chunked:
            return self._whole(bytes(self.data), len(self.data))
        return None

    def _advance(self) -> Message | None:
        if self.message is None and not self._start():
            return None
        assert self.message is not None
        if self._chunked:
            return self._chunks()
        if 0 <= self._left <= len(self.data):
            return self._whole(bytes(self.data[: self._left]), self._left)
        return None

    def _start(self) -> bool:
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            return False
        self.message = parse_head(bytes(self.data[:end]))
        del self.data[: end + 4]
        status = self.message.first[1]
        self._chunked = "chunked" in (self.message.get("Transfer-Encoding") or "").lower()
        length = self.message.get("Content-Length")
        if self.head_only or status in {"204", "304"} or (status.startswith("1") and self.until_close):
            self._left, self._chunked = 0, False
        elif length is not None:
            self._left = int(length)
        else:
            self._left = -1 if self.until_close else 0
        return True

    def _chunks(self) -> Message | None:
        while True:
            end = self.data.find(b"\r\n")
            if end < 0:
                return None
            size = int(bytes(self.data[:end]).partition(b";")[0], 16)
            if len(self.data) < end + 2 + size + 2:
                return None
            if size == 0:
                return self._whole(bytes(self._body), end + 4)
            self._body += self.data[end + 2 : end + 2 + size]
            del self.data[: end + 2 + size + 2]

    def _whole(self, body: bytes, used: int) -> Message:
        assert self.message is not None
        message, self.message = self.message, None
        message.body = body
        del self.data[:used]
        self._body.clear()
        self._left, self._chunked, self.head_only = 0, False, False
        return message
