"""The end of a node: health fails first, requests finish, and then everything is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import sys

import pytest

from tests.dataplane.keeper.conftest import Node, lives
from tidegate.dataplane.install import find
from tidegate.dataplane.push import How


async def test_sigterm_lets_a_slow_request_finish_and_ends_when_idle(empty_node: Node) -> None:
    """As the first process of a container the keeper drains, and exits 0 as soon as nobody is served."""
    node = empty_node
    keeper = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tidegate.dataplane.keeper", "--state-dir", str(node.state), "--grace", "2"),
        *("--nginx", shlex.join(find().nginx_argv())),
        stderr=subprocess.DEVNULL,
    )
    await node.until((node.state / "keeper.sock").exists)
    await node.client.configure(node.conf("one"))
    await node.push({"r/x": b"first"})
    slow = asyncio.create_task(node.get(seconds=3))
    await asyncio.sleep(0.2)
    keeper.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.3)
    # In the grace period new requests are still answered, and told that the node goes.
    assert (await node.client.status()).draining
    assert (await node.get()).draining
    assert (await slow).body == "first"
    assert await keeper.wait() == 0
    assert node.processes() == []
    assert not (node.state / "keeper.sock").exists()
    with pytest.raises(ConnectionRefusedError):
        await node.get()


async def test_after_the_grace_period_connections_are_refused_while_requests_finish(node: Node) -> None:
    """Nobody waits in the queue of a node that will not serve them."""
    slow = asyncio.create_task(node.get(seconds=3))
    await asyncio.sleep(0.2)
    await node.client.drain(0.1)
    with contextlib.suppress(ConnectionError):
        while not slow.done():
            await node.get()
            await asyncio.sleep(0.02)
    with pytest.raises(ConnectionRefusedError):
        await node.get()
    assert not slow.done()
    assert (await slow).body == "first"


async def test_after_a_drain_the_keeper_can_start_again(node: Node) -> None:
    """Drain ends nginx only; a configuration brings it back with its entries."""
    await node.client.drain(0)
    await node.until(lambda: not node.processes())
    for _ in range(100):
        status = await node.client.status()
        if not status.draining:
            break
        await asyncio.sleep(0.02)
    assert (status.master, status.draining, status.version) == (0, False, 1)
    assert (await node.client.configure(node.conf("one"))).how is How.STARTED
    assert (await node.get()).body == "first"
    assert not (await node.client.status()).draining


async def test_stop_ends_both_and_says_when(node: Node) -> None:
    """The client is told by the end of its connection, and the folder is free then."""
    keeper = (await node.client.status()).keeper
    await node.client.stop()
    await node.client.until_gone()
    assert node.processes() == []
    await node.begin()
    assert not lives(keeper)
    await node.until(lambda: bool(node.processes()))
    assert (await node.get()).body == "first"


async def test_a_second_stop_skips_the_grace_period(node: Node) -> None:
    """Who is in a hurry does not wait."""
    await node.client.drain(60)
    await asyncio.sleep(0.1)
    assert (await node.get()).draining
    await node.client.stop()
    async with asyncio.timeout(10):
        await node.client.until_gone()
    assert node.processes() == []


async def test_a_controller_that_comes_while_a_keeper_ends_waits_for_it(node: Node) -> None:
    """It gets a new keeper, not the one that goes."""
    old = (await node.client.status()).keeper
    slow = asyncio.create_task(node.get(seconds=1))
    await asyncio.sleep(0.2)
    await node.client.stop()
    await node.begin()
    assert (await slow).body == "first"
    assert (await node.client.status()).keeper != old
    await node.until(lambda: bool(node.processes()))
    assert (await node.get()).body == "first"


async def test_sigterm_during_a_drain_does_not_cut_its_grace_short_but_a_second_does(node: Node) -> None:
    """In a pod, controller and keeper are told to end at the same time."""
    keeper = (await node.client.status()).keeper
    await node.client.drain(60)
    os.kill(keeper, signal.SIGTERM)
    await asyncio.sleep(0.3)
    assert (await node.get()).draining
    assert (await node.client.status()).ending
    os.kill(keeper, signal.SIGTERM)
    async with asyncio.timeout(10):
        await node.client.until_gone()
    assert node.processes() == []


async def test_nginx_can_keep_the_standard_output_of_who_starts_it(empty_node: Node) -> None:
    """An access log on standard output arrives there, also after the keeper detached."""
    node = empty_node
    output = node.state.with_name("output")
    with output.open("wb") as file:
        starter = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tidegate.dataplane.keeper", "--state-dir", str(node.state), "--detach", "--keep-stdout"),
            stdout=file,
        )
        assert await starter.wait() == 0
    await node.client.configure(node.conf("one", extra="access_log /dev/stdout;"))
    await node.get()
    await node.until(lambda: "GET /?key=r/x" in output.read_text())
    assert '" 200 ' not in (node.state / "nginx" / "error.log").read_text()
