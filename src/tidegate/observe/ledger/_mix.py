"""Which request comes when: a fixed, evenly mixed sequence, so that two runs with one seed ask for the same."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from tidegate.observe.ledger._errors import BadPlan

HOWS: Final = {
    "get": "GET on a connection that is kept",
    "new": "GET on a TCP connection of its own",
    "tls": "GET on a TLS connection of its own, with a full handshake",
    "post": "POST on a connection that is kept",
    "h2": "GET over HTTP/2, many at a time on one connection",
}
"""The ways to ask."""

DEFAULT_MIX: Final[Mapping[str, int]] = {"get": 60, "new": 15, "tls": 10, "post": 10, "h2": 5}

_LONGEST: Final = 1000
"""Sum of shares: the sequence is written out."""


def parse_mix(text: str) -> dict[str, int]:
    """Read shares as in ``get=60,post=40``. Raises ``BadPlan`` with what would be accepted."""
    found: dict[str, int] = {}
    for part in text.split(","):
        how, _, share = part.strip().partition("=")
        if how not in HOWS or not share.isdigit() or how in found:
            raise BadPlan(
                f'mix "{text}" is not accepted: "{part}"; it wants shares such as get=60,post=40 '
                f"of {', '.join(HOWS)}"
            )
        found[how] = int(share)
    found = {how: share for how, share in found.items() if share}
    if not 0 < sum(found.values()) <= _LONGEST:
        raise BadPlan(f'mix "{text}" is not accepted; its shares have to sum up to 1…{_LONGEST}')
    return found


class Schedule:
    """The ways to ask, in turn: in each round every one has exactly its share, in an order that chance has made."""

    def __init__(self, mix: Mapping[str, int], seed: int = 0) -> None:
        self._round = [how for how, share in mix.items() for _ in range(share)]
        # Chance shapes the load here, and keeps no secret.
        random.Random(seed).shuffle(self._round)  # noqa: S311

    def how(self, number: int) -> str:
        """Give how the request of this number asks."""
        return self._round[number % len(self._round)]
