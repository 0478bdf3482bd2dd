"""Every request of a ledger has exactly one outcome, and only a right answer is a good one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from harness.backends import Backends
from harness.ledger import Call, Ledger, Outcomes


@pytest.fixture(scope="module")
def pool() -> Iterator[Backends]:
    with Backends() as started:
        yield started


def load(port: int, call: Call, *, seconds: float = 0.5, keepalive: bool = True) -> Outcomes:
    with Ledger(port, [call], clients=8, rate=200, keepalive=keepalive, timeout=0.3) as ledger:
        time.sleep(seconds)
    outcomes = ledger.outcomes
    counted = outcomes.good + sum(
        map(sum, (c.values() for c in (outcomes.wrong, outcomes.status, outcomes.lost)))
    )
    assert counted == outcomes.sent
    assert outcomes.sent >= 16
    return outcomes


@pytest.mark.parametrize("keepalive", [True, False])
def test_good_answers_are_good(pool: Backends, *, keepalive: bool) -> None:
    """With connections that are kept, and with one for each request."""
    web = pool.one(f"web-{keepalive}")
    outcomes = load(web.port, Call("h", allowed=lambda: {web.id}), keepalive=keepalive)
    assert outcomes.bad == 0
    assert web.requests == outcomes.sent
    assert web.connections == (8 if keepalive else outcomes.sent)


def test_an_answer_of_another_instance_is_wrong(pool: Backends) -> None:
    """Even with status 200."""
    web = pool.one("other")
    outcomes = load(web.port, Call("h", allowed=lambda: {"mine"}))
    assert outcomes.good == 0
    assert sum(outcomes.wrong.values()) == outcomes.sent


@pytest.mark.parametrize(
    ("path", "counter", "key"),
    [
        ("/?status=503", "status", 503),
        ("/?close=1", "lost", "EOFBeforeAnswer"),
        ("/?cut=1", "lost", "EOFBeforeAnswer"),
        ("/?delay=5", "lost", "TimeoutError"),
    ],
)
def test_what_went_wrong_is_named(pool: Backends, path: str, counter: str, key: str | int) -> None:
    """A bad status, an answer that never came, one cut short, one too late."""
    web = pool.one("bad")
    outcomes = load(web.port, Call("h", path))
    assert outcomes.good == 0
    assert getattr(outcomes, counter)[key] == outcomes.sent


def test_a_refused_connection_costs_its_request(pool: Backends) -> None:
    """It counts as lost, once."""
    web = pool.one("gone")
    web.refuse()
    outcomes = load(web.port, Call("h"))
    assert outcomes.good == 0
    assert sum(outcomes.refused.values()) == sum(outcomes.lost.values()) == outcomes.sent
