"""Whatever dies, requests go on being answered, and all is as before in a moment."""

from __future__ import annotations

import asyncio
import os
import signal

from tests.dataplane.keeper.conftest import Node
from tidegate.dataplane.push import How


class Clients:
    """Clients that connect all the time and count what fails."""

    def __init__(self, node: Node, body: str) -> None:
        self.failures: list[str] = []
        self.answers = 0
        self._done = asyncio.Event()
        self._tasks = [asyncio.create_task(self._run(node, body)) for _ in range(3)]

    async def _run(self, node: Node, body: str) -> None:
        while not self._done.is_set():
            try:
                assert (await node.get()).body == body
                self.answers += 1
            except (OSError, AssertionError) as e:
                self.failures.append(repr(e))

    async def end(self) -> None:
        self._done.set()
        await asyncio.gather(*self._tasks)


async def _until_serving(node: Node, but: int) -> None:
    """Wait until a master other than `but` serves."""
    for _ in range(400):
        status = await node.client.status()
        if status.master not in {0, but} and status.workers:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("no nginx was started")


async def test_a_killed_master_is_replaced_and_its_workers_finish(node: Node) -> None:
    """The new nginx has every entry; orphans serve until it does, finish what they have, and end."""
    before = await node.client.status()
    clients = Clients(node, "first")
    slow = asyncio.create_task(node.get(seconds=1.5))
    await asyncio.sleep(0.2)
    os.kill(before.master, signal.SIGKILL)
    await _until_serving(node, before.master)
    status = await node.client.status()
    assert (status.version, status.restarts, status.ready) == (1, 1, False)
    await node.push({"r/y": b"new"})
    assert (await node.get("r/y")).body == "new"
    await clients.end()
    assert (clients.failures, clients.answers > 20) == ([], True)
    assert (await slow).pid in before.workers
    await node.until(lambda: not set(before.workers) & {p.pid for p in node.processes()})
    await node.until(lambda: not (node.state / "nginx" / "1").exists())


async def test_a_killed_master_and_all_its_workers_are_replaced(node: Node) -> None:
    """Connections of the meantime wait, and are answered."""
    before = await node.client.status()
    for pid in (before.master, *before.workers):
        os.kill(pid, signal.SIGKILL)
    assert (await node.get()).body == "first"
    assert (await node.client.status()).restarts == 1


async def test_a_master_that_keeps_dying_is_started_ever_more_slowly(node: Node) -> None:
    """The second death is followed by a pause, and nothing is lost by it."""
    for _ in range(3):
        master = (await node.client.status()).master
        os.kill(master, signal.SIGKILL)
        await _until_serving(node, master)
    assert (await node.client.status()).restarts == 3
    pauses = [line.rpartition("pause=")[2] for line in node.log().splitlines() if "pause=" in line]
    assert pauses == ["0.0", "0.5", "1.0"]
    assert (await node.get()).body == "first"


async def test_an_nginx_that_does_not_start_is_tried_again_and_told(node: Node) -> None:
    """Status says what is wrong while it is, and a configuration that is right ends it."""
    conf = node.state / "nginx" / "current.json"
    await node.kill_keeper()
    for process in node.processes():
        process.kill()
    conf.write_text(conf.read_text().replace("daemon off;", "nonsense on;"))
    await node.begin()
    for _ in range(200):
        status = await node.client.status()
        if "nonsense" in status.trouble:
            break
        await asyncio.sleep(0.02)
    assert "nonsense" in status.trouble
    assert (status.version, status.master) == (1, 0)
    assert (await node.client.configure(node.conf("one"))).how is How.STARTED
    assert (await node.get()).body == "first"
    assert (await node.client.status()).trouble == ""


async def test_a_killed_keeper_is_not_missed_and_its_successor_adopts(node: Node) -> None:
    """All is served on; the new keeper pushes to the same workers without a reload, and can hand over."""
    before = await node.client.status()
    clients = Clients(node, "first")
    await node.kill_keeper()
    assert (await node.get()).body == "first"
    await node.begin()
    status = await node.client.status()
    assert status.keeper != before.keeper
    assert (status.master, status.workers, status.generation) == (before.master, before.workers, "one")
    assert status.profiles == before.profiles
    await node.push({"r/y": b"new"})
    assert (await node.client.configure(node.conf("one"))).how is How.UNCHANGED
    for _ in range(3):
        await node.client.handover()
    assert (await node.get("r/y")).body == "new"
    await clients.end()
    assert clients.failures == []
    await node.until(lambda: before.master not in {p.pid for p in node.processes()})


async def test_an_adopted_master_that_dies_is_replaced(node: Node) -> None:
    """A successor notices the death of a process that is not its child."""
    await node.kill_keeper()
    await node.begin()
    clients = Clients(node, "first")
    master = (await node.client.status()).master
    os.kill(master, signal.SIGKILL)
    await _until_serving(node, master)
    await clients.end()
    assert clients.failures == []


async def test_keeper_and_master_both_killed(node: Node) -> None:
    """The orphans' sockets are taken over, so that no connection is refused while a new nginx starts."""
    before = await node.client.status()
    clients = Clients(node, "first")
    await node.kill_keeper()
    os.kill(before.master, signal.SIGKILL)
    await asyncio.sleep(0.1)
    await node.begin()
    await _until_serving(node, before.master)
    await node.push({"r/y": b"new"})
    await asyncio.sleep(0.1)
    await clients.end()
    assert clients.failures == []
    assert (await node.get("r/y")).body == "new"
    await node.until(lambda: not set(before.workers) & {p.pid for p in node.processes()})


async def test_everything_killed_is_started_from_the_disk_without_a_controller(node: Node) -> None:
    """A keeper alone brings back configuration and entries."""
    await node.push({"r/x": b"second"})
    await node.kill_keeper()
    for process in node.processes():
        process.kill()
    await node.begin()
    await _until_serving(node, 0)
    assert (await node.get()).body == "second"
    status = await node.client.status()
    assert (status.version, status.generation, status.profiles) == (2, "one", ("p1",))


async def test_a_keeper_killed_between_nginx_and_journal_catches_up(node: Node) -> None:
    """What nginx acknowledged is kept although the journal never saw it, and the objects on disk stay."""
    journal = max((node.state / "journal").glob("journal.*"))
    size = journal.stat().st_size
    await node.push({"r/x": b"second", "r/y": b"new"})
    await node.kill_keeper()
    os.truncate(journal, size)
    await node.begin()
    dump = await node.client.dump()
    assert dump.changes == {"r/x": b"second", "r/y": b"new", "o/Ingress/a/b": b"{}"}
    assert dump.version == (await node.client.status()).version == 2
    await node.push({"r/x": b"third"})
    await node.client.handover()
    assert [(await node.get(k)).body for k in ("r/x", "r/y")] == ["third", "new"]


async def test_an_nginx_that_cannot_tell_what_it_has_is_replaced(empty_node: Node) -> None:
    """Then what the disk has is in force, so that all versions agree again."""
    await empty_node.begin()
    await empty_node.client.configure(empty_node.conf("one", entries=False))
    await empty_node.push({"r/x": b"first"})
    journal = max((empty_node.state / "journal").glob("journal.*"))
    size = journal.stat().st_size
    await empty_node.push({"r/x": b"second"})
    await empty_node.kill_keeper()
    os.truncate(journal, size)
    await empty_node.begin()
    assert (await empty_node.client.dump()).version == (await empty_node.client.status()).version == 1
    assert (await empty_node.get()).body == "first"
