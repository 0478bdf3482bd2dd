"""What happened to one request: its line, the tries, where the time went, and the changes that were in force by then."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tidegate.dataplane.journal import Change, history
from tidegate.observe.access._lines import Line, Try, tries

_MEANINGS = {
    "upstream": "a backend answered",
    "incomplete": "a backend began to answer, and the answer did not come to its end",
    "connect": "no connection to a backend was made",
    "timeout": "the backend did not answer in time",
    "upstream failed": "the backend ended the connection, or what it sent was no HTTP",
    "no endpoint": "the Service has no endpoint that is ready",
    "no route": "no rule of any Ingress matches host and path",
    "redirect": "the route redirects",
    "access": "the client's address may not come in",
    "body size": "the request's body is larger than the route allows",
    "deny": "a protection of the route could not be understood, so it is closed",
    "client abort": "the client ended the connection before it had its answer",
    "gateway": "nginx itself answered; often the request was malformed",
}


class Preceding(msgspec.Struct, frozen=True):
    """The last change of something that the request went through."""

    what: str
    """``route``, ``backend``, ``host`` or ``settings``."""
    version: int
    seconds_before: float
    causes: tuple[str, ...]


class Story(msgspec.Struct, frozen=True):
    """What happened to a request."""

    line: Line
    meaning: str
    """What the layer that answered says."""
    tries: list[Try]
    upstream_seconds: float
    gateway_seconds: float
    """The rest of its time: reading it from the client, waiting, sending the answer."""
    version: int
    """Of the entries in force when it began; 0 if the journal does not go back so far."""
    preceding: list[Preceding]


def tell(line: Line, state_dir: Path) -> Story:
    """Tell the story of a line. Raises ``OSError`` if the journal may not be read."""
    made = tries(line)
    upstream = sum(each.total or 0.0 for each in made)
    began = line.msec - line.request_time
    keys = _keys(line)
    version = 0
    last: dict[str, Change] = {}
    for change in history(state_dir):
        if change.time > began:
            break
        version = change.version
        touched = set(change.keys)
        for what, names in keys.items():
            if touched & names:
                last[what] = change
    return Story(
        line,
        _MEANINGS.get(line.layer, f"the feature {line.layer!r} of the route answered"),
        made,
        round(upstream, 3),
        round(max(0.0, line.request_time - upstream), 3),
        version,
        [_preceding(what, change, began) for what, change in last.items()],
    )


def _keys(line: Line) -> dict[str, set[str]]:
    host = line.host.lower()
    wild = f"*.{host.partition('.')[2]}"
    return {
        "route": {f"r/{line.route}"} if line.route else set(),
        "backend": {f"b/{line.backend_id}"} if line.backend_id else set(),
        "host": {f"{kind}/{name}" for kind in ("h/main", "t") for name in (host, wild)},
        "settings": {"g"},
    }


def _preceding(what: str, change: Change, began: float) -> Preceding:
    causes = tuple(" ".join((reason.object, reason.action, *reason.fields)) for reason in change.causes)
    return Preceding(what, change.version, round(began - change.time, 3), causes)
