"""One request under way, and the one outcome that it gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tidegate.observe.ledger import _records as r
from tidegate.observe.ledger._targets import Aim

POST_BYTES = 1024


class Exchange:
    """A request. The first ``answer`` or ``fail`` is its outcome, and whatever comes later is passed over."""

    __slots__ = (
        "_settle",
        "_settled",
        "aim",
        "body",
        "deadline",
        "due",
        "how",
        "id",
        "method",
        "sent",
        "unsent",
    )

    def __init__(
        self, id_: str, how: str, aim: Aim, due: float, deadline: float, settle: Callable[[r.Asked], None],
        now: float,
    ) -> None:  # fmt: skip
        self.id, self.how, self.aim = id_, how, aim
        self.due, self.sent, self.deadline = due, now, deadline
        self.method = "POST" if how == "post" else "GET"
        self.body = (id_ + " ").encode().ljust(POST_BYTES, b".") if how == "post" else b""
        self.unsent = 0
        self._settle, self._settled = settle, False

    @property
    def is_settled(self) -> bool:
        """It has its outcome."""
        return self._settled

    def request(self, *, keep: bool) -> bytes:
        """Give the request as HTTP/1.1 has it."""
        head = (
            f"{self.method} {self.aim.path} HTTP/1.1\r\nHost: {self.aim.host}\r\n{r.ID}: {self.id}\r\n"
            f"User-Agent: tidegate-ledger\r\n"
        )
        if self.body:
            head += f"Content-Length: {len(self.body)}\r\n"
        return (head + ("\r\n" if keep else "Connection: close\r\n\r\n")).encode() + self.body

    def answer(self, now: float, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Settle with a whole answer; names of headers in small letters."""
        get = headers.get
        self._end(
            now, status=status, instance=get("x-ledger-instance", ""), tenant=get("x-ledger-tenant", ""),
            echoed=get("x-ledger-id", ""), body=r.digest(body), claimed=get("x-ledger-body", ""),
        )  # fmt: skip

    def fail(self, now: float, why: str) -> None:
        """Settle without one."""
        self._end(now, error=why)

    def _end(self, now: float, **found: str | int) -> None:
        if self._settled:
            return
        self._settled = True
        self._settle(
            r.Asked(
                self.id, self.aim.target.name, self.how, self.method, self.due, self.sent, now,
                gave=r.digest(self.body), **found,  # type: ignore[arg-type]
            )
        )  # fmt: skip
