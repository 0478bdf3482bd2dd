"""What a load was like, in figures: for people, beside the verdict."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from tidegate.observe.ledger._records import Asked, End, Record, Run


class How(msgspec.Struct, frozen=True):
    """One way to ask."""

    how: str
    asked: int
    good: int
    """With a whole 2xx answer."""
    p50_ms: float
    p99_ms: float
    max_ms: float
    """Of good answers, from when a request had to be sent to the last byte."""


class Summary(msgspec.Struct, frozen=True):
    """All loads of the histories together."""

    hows: list[How]
    statuses: dict[str, int]
    """Answers by status."""
    errors: dict[str, int]
    """Requests without a whole answer, by why."""
    instances: dict[str, int]
    """Answers by who gave them; the empty name: the gateway itself."""
    seconds: float
    cpu_seconds: float
    """Processor time of the clients."""
    reopened: int


def summary(history: Iterable[Record]) -> Summary:
    """Count."""
    by_how: dict[str, list[Asked]] = defaultdict(list)
    started: dict[str, float] = {}
    seconds, cpu, reopened = 0.0, 0.0, 0
    for record in history:
        if isinstance(record, Asked):
            by_how[record.how].append(record)
        elif isinstance(record, Run):
            started[record.run] = record.started
    for record in history:
        if isinstance(record, End):
            seconds += record.ended - started.get(record.run, record.ended)
            cpu, reopened = cpu + record.cpu, reopened + record.reopened
    everything = [asked for several in by_how.values() for asked in several]
    return Summary(
        [_how(how, several) for how, several in sorted(by_how.items())],
        dict(Counter(str(a.status) for a in everything if a.status).most_common()),
        dict(Counter(a.error for a in everything if a.error).most_common()),
        dict(Counter(a.instance for a in everything if a.status).most_common(50)),
        seconds, cpu, reopened,
    )  # fmt: skip


def _how(how: str, several: list[Asked]) -> How:
    took = sorted((a.done - a.due) * 1000 for a in several if 200 <= a.status < 300 and not a.error)
    p50, p99, most = (round(_quantile(took, share), 2) for share in (0.5, 0.99, 1))
    return How(how, len(several), len(took), p50, p99, most)


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
