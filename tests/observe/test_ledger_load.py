"""The load sends at its times, whatever comes back, and each request has one outcome. Real sockets throughout."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from tidegate.observe.ledger import (
    Asked,
    Backend,
    BadPlan,
    Executed,
    Load,
    Manners,
    Plan,
    Record,
    Schedule,
    Target,
    check,
    parse_mix,
    target_of,
)


class World:
    """One backend, and everything that was written down."""

    def __init__(self, **manners: float) -> None:
        self.history: list[Record] = []
        self.backend = Backend("web-0", self.history.append, tenant="a", manners=Manners(**manners))  # type: ignore[arg-type]

    async def load(self, mix: dict[str, int], query: str = "", **more: object) -> list[Asked]:
        port = await self.backend.listen("127.0.0.1", 0)
        plan = {"rate": 200, "seconds": 0.5, "timeout": 0.4, **more}
        target = Target("shop", f"http://127.0.0.1:{port}/{query}", "a")
        await Load(Plan(targets=[target], mix=mix, **plan), self.history.append).run()  # type: ignore[arg-type]
        self.backend.close()
        return [r for r in self.history if isinstance(r, Asked)]


async def test_every_request_has_a_good_outcome_and_one_execution() -> None:
    """Kept connections, new ones, and bodies both ways."""
    world = World()
    asked = await world.load({"get": 6, "new": 2, "post": 2})
    verdict = check(world.history)
    assert verdict.faults == []
    assert len(asked) == verdict.executed == 100
    assert Counter(a.how for a in asked) == {"get": 60, "new": 20, "post": 20}


async def test_a_slow_answer_delays_no_other_request() -> None:
    """The loop is open: all are sent at their times."""
    world = World(delay=0.3)
    start = time.time()
    asked = await world.load({"get": 1}, timeout=5)
    assert check(world.history).faults == []
    executed = [r.at for r in world.history if isinstance(r, Executed)]
    # One after the other they would take 30 s.
    assert len(asked) == 100
    assert max(executed) - start < 15


@pytest.mark.parametrize(
    "query", ["?bytes=70000", "?chunks=5&every=0.01&bytes=5000", "?delay=0.05", "?nonsense=1&delay=x"]
)
async def test_bodies_are_compared_however_they_come(query: str) -> None:
    """Large, streamed and late."""
    world = World()
    await world.load({"get": 2, "post": 1}, query, timeout=5)
    assert check(world.history).faults == []


async def test_statuses_of_backends_are_theirs() -> None:
    """They are counted, and are no failures."""
    world = World()
    asked = await world.load({"get": 1}, "?status=503")
    assert {a.status for a in asked} == {503}
    assert check(world.history).faults == []


async def test_no_answer_in_time_is_a_failure() -> None:
    """And ends the wait."""
    world = World(delay=30)
    asked = await world.load({"get": 1}, timeout=2)
    assert check(world.history).counts == {"failed": len(asked)}
    assert all("no answer within" in a.error for a in asked)


@pytest.mark.parametrize("how", ["get", "new", "post"])
async def test_answers_that_break_off_are_failures(how: str) -> None:
    """Each is named for what it was: nothing came, or half of it."""
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    for said, why in (
        (b"", "closed before the answer"),
        (half, "cut short"),
        (b"what?\r\n\r\n", "not a status line"),
    ):

        async def hang_up(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes = said
        ) -> None:
            await reader.read(1 << 16)
            writer.write(said)
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        history: list[Record] = []
        plan = Plan(
            targets=[Target("t", f"http://127.0.0.1:{port}/")], mix={how: 1}, rate=100, seconds=0.1, timeout=2
        )
        await Load(plan, history.append).run()
        server.close()
        asked = [r for r in history if isinstance(r, Asked)]
        assert len(asked) == 10
        assert all(why in a.error for a in asked), asked[0]
        assert check(history).counts == {"failed": 10}


async def test_another_address_is_tried_only_if_no_connection_was_made() -> None:
    """As often as the plan says."""
    world = World()
    port = await world.backend.listen("127.0.0.1", 0)
    world.backend.close()
    spare = await world.backend.listen("127.0.0.1", 0)
    for connects, failed in ((2, 0), (1, 10)):
        history: list[Record] = []
        plan = Plan(
            targets=[Target("t", "http://shop.example/")], mix={"new": 1}, rate=100, seconds=0.2,
            via=[("127.0.0.1", port), ("127.0.0.1", spare)], connects=connects,
        )  # fmt: skip
        await Load(plan, history.append).run()
        assert check(history).counts.get("failed", 0) == failed
    world.backend.close()


async def test_http2_to_who_does_not_speak_it_fails_and_ends() -> None:
    """Connection after connection is not tried for ever."""
    world = World()
    asked = await world.load({"h2": 1}, timeout=1)
    assert len(asked) == 100
    assert all(a.error for a in asked)


def test_a_round_of_the_schedule_has_exactly_the_shares() -> None:
    """And two with one seed are the same."""
    mix = parse_mix("get=60, new=15,tls=10,post=10,h2=5")
    schedule = Schedule(mix, 7)
    assert Counter(schedule.how(n) for n in range(100, 200)) == mix
    assert [Schedule(mix, 7).how(n) for n in range(50)] == [schedule.how(n) for n in range(50)]


@pytest.mark.parametrize("text", ["", "get", "get=0", "get=-1", "put=3", "get=1,get=2", "get=2000"])
def test_shares_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(BadPlan, match="not accepted"):
        parse_mix(text)


@pytest.mark.parametrize(
    ("text", "name", "tenant"),
    [
        ("http://a/", "http://a/", ""),
        ("web=http://a/?x=1", "web", ""),
        ("web@shop=https://a:1/", "web", "shop"),
    ],
)
def test_targets_have_names_and_tenants(text: str, name: str, tenant: str) -> None:
    target = target_of(text)
    assert (target.name, target.tenant) == (name, tenant)
    assert target.url.endswith(("/", "?x=1"))


@pytest.mark.parametrize(
    "text", ["", "a", "ftp://a/", "http://", "http://a:99999/", "http://a/\r\nX: y", "http://a/b c"]
)
def test_targets_that_are_no_urls_are_refused(text: str) -> None:
    with pytest.raises(BadPlan, match="not accepted"):
        target_of(text)


async def test_a_plan_for_handshakes_needs_a_target_for_them() -> None:
    with pytest.raises(BadPlan, match="https"):
        Load(Plan(targets=[Target("t", "http://a/")], mix={"tls": 1}, rate=1), lambda _: None)
