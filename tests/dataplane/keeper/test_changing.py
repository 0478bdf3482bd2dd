"""A configuration comes into force by the cheapest way that loses nothing, or not at all."""

from __future__ import annotations

import asyncio

import pytest

from tests.dataplane.keeper.conftest import Node, free_port
from tidegate.dataplane.push import ConfigurationRefused, How, PushConflict
from tidegate.model import Delta


async def test_a_reload_returns_when_every_new_worker_serves(node: Node) -> None:
    """After it, all answers come from new workers, with the entries of before."""
    before = await node.client.status()
    reply = await node.client.configure(node.conf("two"))
    assert reply == ("two", How.RELOADED)
    status = await node.client.status()
    assert (status.generation, status.reloads, status.master) == ("two", 1, before.master)
    assert not set(status.workers) & set(before.workers)
    answers = [await node.get() for _ in range(10)]
    assert {a.pid for a in answers} <= set(status.workers)
    assert {a.body for a in answers} == {"first"}
    await node.push({"r/x": b"second"})
    assert (await node.get()).body == "second"


async def test_going_back_to_an_earlier_generation_waits_for_its_new_workers(node: Node) -> None:
    """Reports that workers of an earlier time left behind do not count."""
    old = (await node.client.status()).workers
    await node.client.configure(node.conf("two"))
    await node.client.configure(node.conf("one"))
    status = await node.client.status()
    assert status.generation == "one"
    assert not set(status.workers) & set(old)


async def test_a_refused_configuration_changes_nothing(node: Node) -> None:
    """The error holds nginx's words; the old workers, and the text for a later start, stay."""
    before = await node.client.status()
    with pytest.raises(ConfigurationRefused, match='unknown directive "nonsense"'):
        await node.client.configure(node.conf("two", extra="nonsense on;"))
    assert await node.client.status() == before
    assert "nonsense" not in (node.state / "nginx" / "1" / "nginx.conf").read_text()
    assert not (node.state / "nginx" / "test").exists()
    assert (await node.client.configure(node.conf("two"))).how is How.RELOADED


async def test_a_configuration_that_passes_the_test_but_not_the_reload_is_taken_back(node: Node) -> None:
    """What only the running master notices is refused too, within a moment."""
    conf = node.conf("two")
    broken = conf.text.replace('node = require "node"', 'error("not today")')
    with pytest.raises(ConfigurationRefused, match="not today"):
        await node.client.configure(type(conf)(broken, "two", conf.profiles, conf.listeners, conf.workers))
    assert "not today" not in (node.state / "nginx" / "1" / "nginx.conf").read_text()
    assert (await node.client.status()).generation == "one"
    assert (await node.get()).body == "first"


async def test_another_store_size_keeps_the_entries(node: Node) -> None:
    """A reload would empty the memory, so a second nginx takes over."""
    before = await node.client.status()
    assert (await node.client.configure(node.conf("two", memory="5m"))).how is How.HANDED_OVER
    status = await node.client.status()
    assert (status.version, status.handovers, status.reloads) == (1, 1, 0)
    assert status.master != before.master
    assert (await node.get()).body == "first"
    assert (await node.get("o/Ingress/a/b")).body == "none"


async def test_listeners_come_and_go(node: Node) -> None:
    """A new port is served; one that is gone refuses connections; the one that stays is never closed."""
    kept, added = node.ports[0], free_port()
    node.ports = [kept, added]
    assert (await node.client.configure(node.conf("two"))).how is How.HANDED_OVER
    assert [(await node.get(port=p)).body for p in (kept, added)] == ["first", "first"]
    node.ports = [added]
    assert (await node.client.configure(node.conf("three"))).how is How.HANDED_OVER
    assert (await node.get(port=added)).body == "first"
    await node.until(lambda: not (node.state / "nginx" / "2").exists())
    with pytest.raises(ConnectionRefusedError):
        await node.get(port=kept)


async def test_a_new_nginx_that_does_not_start_leaves_the_old_one(node: Node) -> None:
    """A failed hand-over costs nothing but an error."""
    before = await node.client.status()
    with pytest.raises(ConfigurationRefused, match="nonsense"):
        await node.client.configure(node.conf("two", memory="5m", extra="nonsense on;"))
    assert await node.client.status() == before
    assert (await node.get()).body == "first"
    assert [p.name for p in (node.state / "nginx").iterdir() if p.name.isdigit()] == ["1"]


async def test_no_connection_is_refused_while_nginx_is_replaced_again_and_again(node: Node) -> None:
    """Twenty hand-overs under clients that connect all the time: every one gets its answer."""
    answers, failures, done = 0, list[str](), asyncio.Event()

    async def client() -> None:
        nonlocal answers
        while not done.is_set():
            try:
                assert (await node.get()).body == "first"
                answers += 1
            except (OSError, AssertionError) as e:
                failures.append(repr(e))

    clients = [asyncio.create_task(client()) for _ in range(4)]
    masters = set()
    for _ in range(20):
        await node.client.handover()
        masters.add((await node.client.status()).master)
    done.set()
    await asyncio.gather(*clients)
    assert failures == []
    assert len(masters) == 20
    assert answers > 200


async def test_pushes_during_hand_overs_are_all_in_force_and_kept(node: Node) -> None:
    """A push waits for the hand-over rather than fails or is lost with the old nginx."""
    done = asyncio.Event()

    async def pusher() -> int:
        pushed = 0
        while not done.is_set():
            pushed += 1
            await node.push({"r/x": b"%d" % pushed})
            assert (await node.get()).body == str(pushed)
        return pushed

    task = asyncio.create_task(pusher())
    for _ in range(4):
        await node.client.handover()
        await asyncio.sleep(0.1)
    done.set()
    pushed = await task
    assert pushed > 4
    assert (await node.client.status()).version == (await node.client.dump()).version == pushed + 1


async def test_pushes_during_reloads_reach_the_new_workers(node: Node) -> None:
    """A reload does not hold pushes up, and none of them is lost by it."""
    for round_ in range(4):
        reload = asyncio.create_task(node.client.configure(node.conf(f"round{round_}")))
        while not reload.done():
            await node.push({"r/x": b"%d" % node.version})
        await reload
        assert (await node.get()).body == str(node.version - 1)


async def test_at_most_four_old_generations_finish_at_the_same_time(node: Node) -> None:
    """The oldest loses its requests, or streams would pile up memory without bound; the others finish."""
    slow = []
    for n in range(6):
        slow.append(asyncio.create_task(node.get(seconds=30)))
        await asyncio.sleep(0.2)
        await node.client.configure(node.conf(f"g{n}"))
    await node.until(lambda: slow[0].done() and slow[1].done(), 3)
    async with asyncio.timeout(5):
        while (await node.client.status()).retiring != 4:  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.02)
    assert [task.done() for task in slow] == [True, True, False, False, False, False]
    for task in slow:
        task.cancel()
    results = await asyncio.gather(*slow, return_exceptions=True)
    assert all(isinstance(result, AssertionError) for result in results[:2])


async def test_a_conflict_after_a_hand_over_names_the_same_version(node: Node) -> None:
    """The new nginx is at the version of the old one."""
    await node.client.handover()
    with pytest.raises(PushConflict) as caught:
        await node.client.push(Delta(9, 8, 0.0, {}))
    assert caught.value.version == 1
