"""The keeper starts nginx, passes changes on and says how things are."""

from __future__ import annotations

import asyncio
import os
import socket
import stat

import psutil
import pytest

from tests.dataplane.keeper.conftest import Node
from tidegate.dataplane.journal import history
from tidegate.dataplane.push import (
    ConfigurationRefused,
    How,
    KeeperFailed,
    KeeperGone,
    NginxDown,
    PortInUse,
    PushConflict,
    StateDirInUse,
    StoreFull,
    lock_state_dir,
)
from tidegate.model import Delta


async def test_an_acknowledged_change_is_served_by_every_worker(node: Node) -> None:
    """Once a push returns, no worker answers with what was before."""
    await node.push({"r/x": b"second"})
    answers = [await node.get() for _ in range(20)]
    assert {a.body for a in answers} == {"second"}
    status = await node.client.status()
    assert {a.pid for a in answers} <= set(status.workers)
    assert (status.version, status.generation, status.profiles, len(status.workers)) == (2, "one", ("p1",), 2)
    assert (status.persisted, status.draining, status.trouble) == (True, False, "")
    assert 0 < status.store.free <= status.store.capacity


async def test_a_delta_on_another_base_is_a_conflict(node: Node) -> None:
    """The reply names the version in force, and nothing changes."""
    with pytest.raises(PushConflict) as caught:
        await node.client.push(Delta(9, 5, 0.0, {"r/x": b"never"}))
    assert caught.value.version == 1
    assert (await node.get()).body == "first"


async def test_a_full_store_is_told_with_the_key(node: Node) -> None:
    """What nginx could not take is not in the journal either."""
    with pytest.raises(StoreFull) as caught:
        await node.push({"full": b"x"})
    assert caught.value.key == "full"
    assert (await node.client.dump()).version == 1


async def test_bytes_that_are_no_delta_are_refused(node: Node) -> None:
    """A client that speaks nonsense gets an error and harms nothing."""
    with pytest.raises(KeeperFailed):
        await node.client._ask({"op": "push"}, b"nonsense")
    with pytest.raises(KeeperFailed, match="no operation"):
        await node.client._ask({"op": "unheard of"})
    with pytest.raises(KeeperFailed, match="configure"):
        await node.client._ask({"op": "configure", "generation": "two"})
    assert (await node.get()).body == "first"


async def test_the_dump_holds_everything_and_the_history_says_why(node: Node) -> None:
    """Entries that only the disk holds come back to the controller, and never went to nginx."""
    dump = await node.client.dump()
    assert dump.changes == {"r/x": b"first", "o/Ingress/a/b": b"{}"}
    assert (dump.version, dump.base) == (1, 0)
    assert (await node.get("o/Ingress/a/b")).body == "none"
    (change,) = history(node.state)
    assert (change.version, change.causes[0].object) == (1, "Test a/b")


async def test_counters_come_from_nginx(node: Node) -> None:
    """The keeper passes nginx's counters on."""
    await node.get()
    assert await node.client.counters() == {"a/b/c": {"2xx": 1}}


async def test_the_same_configuration_changes_nothing(node: Node) -> None:
    """A controller that comes back causes no reload."""
    before = (await node.client.status()).workers
    assert (await node.client.configure(node.conf("one"))).how is How.UNCHANGED
    assert (await node.client.status()).workers == before


async def test_everything_written_is_private_but_workers_can_enter(node: Node) -> None:
    """No file can be read by another user; the instance's folder can be entered, its parents cannot."""
    for path in node.state.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            assert mode & 0o077 == 0, path
    assert stat.S_IMODE((node.state / "nginx" / "1").stat().st_mode) == 0o711
    assert stat.S_IMODE((node.state / "nginx").stat().st_mode) == 0o700
    assert stat.S_IMODE((node.state / "keeper.sock").stat().st_mode) == 0o600


async def test_a_port_in_use_is_named_with_its_holder(empty_node: Node) -> None:
    """The error says which port, and who has it."""
    await empty_node.begin()
    with socket.create_server(("127.0.0.1", empty_node.ports[0])):
        with pytest.raises(PortInUse, match=f"port {empty_node.ports[0]} .*process {os.getpid()} ") as caught:
            await empty_node.client.configure(empty_node.conf("one"))
        assert caught.value.port == empty_node.ports[0]
    assert (await empty_node.client.configure(empty_node.conf("one"))).how is How.STARTED


async def test_without_nginx_a_push_says_so(empty_node: Node) -> None:
    """Before the first configuration there is nothing to push to, and status says so."""
    await empty_node.begin()
    with pytest.raises(NginxDown):
        await empty_node.push({"r/x": b"1"})
    status = await empty_node.client.status()
    assert (status.master, status.generation, status.ready) == (0, "", False)


async def test_a_first_configuration_that_nginx_refuses_leaves_nothing(empty_node: Node) -> None:
    """The error holds nginx's own words, and a better one can follow."""
    await empty_node.begin()
    with pytest.raises(ConfigurationRefused, match='unknown directive "nonsense"'):
        await empty_node.client.configure(empty_node.conf("one", extra="nonsense on;"))
    assert empty_node.processes() == []
    assert (await empty_node.client.configure(empty_node.conf("one"))).how is How.STARTED


async def test_one_controller_and_one_keeper_per_state_folder(node: Node) -> None:
    """A second one is refused with the holder's pid; a lock left behind by a dead process is no obstacle."""
    lock = lock_state_dir(node.state)
    with pytest.raises(StateDirInUse, match=str(os.getpid())):
        lock_state_dir(node.state)
    lock.release()
    lock_state_dir(node.state).release()
    keeper = (await node.client.status()).keeper
    await node.begin()
    assert (await node.client.status()).keeper == keeper


async def test_pushes_on_many_connections_are_applied_one_by_one(node: Node) -> None:
    """Of several deltas on one base exactly one comes into force."""
    deltas = [Delta(2, 1, 0.0, {"r/x": b"%d" % n}) for n in range(8)]
    results = await asyncio.gather(*map(node.client.push, deltas), return_exceptions=True)
    assert sum(not isinstance(r, BaseException) for r in results) == 1
    assert sum(isinstance(r, PushConflict) for r in results) == 7


async def test_the_keeper_is_small(node: Node) -> None:
    """The keeper stays below 32 MiB, also after it passed megabytes on."""
    await node.push(
        {f"r/{n}": bytes(500_000) for n in range(2)} | {f"o/{n}": bytes(1_000_000) for n in range(20)}
    )
    pid = (await node.client.status()).keeper
    assert psutil.Process(pid).memory_info().rss < 32 * 1024 * 1024


async def test_a_client_of_no_keeper_is_told(empty_node: Node) -> None:
    """Asking where no keeper lives is an error of its own."""
    with pytest.raises(KeeperGone):
        await empty_node.client.status()
