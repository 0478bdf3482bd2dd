"""A disk that is full stops no change; what is on it follows when it can."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.dataplane.keeper.conftest import Node
from tidegate.dataplane.push import Status


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 12 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a file system is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
async def small_disk(disk: Path) -> AsyncIterator[Node]:
    """Give a node whose state folder is on a small disk."""
    node = Node(disk / "state")
    await node.begin()
    await node.client.configure(node.conf("one"))
    await node.push({"r/x": b"first", "o/kept": b"{}"})
    yield node
    await node.end()


def fill(node: Node) -> Path:
    """Leave no byte free."""
    ballast = node.state.parent / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(65536)) == 65536:
            pass
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
        while file.write(b"x"):
            pass
    return ballast


async def until_persisted(node: Node) -> Status:
    for _ in range(900):
        status = await node.client.status()
        if status.persisted:
            return status
        await asyncio.sleep(0.02)
    raise AssertionError(f"never persisted: {status}")


async def test_changes_are_in_force_while_the_disk_is_full_and_kept_once_it_is_not(small_disk: Node) -> None:
    """Pushes succeed, say that they are not on disk, and are there after everything was killed."""
    node = small_disk
    ballast = fill(node)
    await node.push({"r/x": b"second", "r/y": bytes(100_000)})
    await node.push({"r/y": b"new"})
    assert (await node.get()).body == "second"
    status = await node.client.status()
    assert not status.persisted
    assert "No space left" in status.trouble
    assert (await node.client.dump()).changes == {"r/x": b"second", "r/y": b"new", "o/kept": b"{}"}
    ballast.unlink()
    assert (await until_persisted(node)).trouble == ""
    await node.kill_keeper()
    for process in node.processes():
        process.kill()
    await node.begin()
    await node.until(lambda: bool(node.processes()))
    assert [(await node.get(k)).body for k in ("r/x", "r/y")] == ["second", "new"]


async def test_a_configuration_on_a_full_disk_is_an_error_and_changes_nothing(small_disk: Node) -> None:
    """The reload is not begun, and works once there is room."""
    node = small_disk
    ballast = fill(node)
    with pytest.raises(Exception, match="No space left"):
        await node.client.configure(node.conf("two"))
    with pytest.raises(Exception, match="No space left"):
        await node.client.handover()
    assert (await node.client.status()).generation == "one"
    assert (await node.get()).body == "first"
    ballast.unlink()
    await node.client.configure(node.conf("two"))
    await node.client.handover()
    assert (await node.get()).body == "first"


async def test_more_changes_than_may_wait_are_fetched_from_nginx_in_the_end(small_disk: Node) -> None:
    """What was given up in memory comes back from nginx, and objects on disk stay as they were."""
    node = small_disk
    ballast = fill(node)
    for n in range(18):
        await node.push({"r/big": b"%d" % n, "o/heavy": bytes(1_000_000)})
    assert not (await node.client.status()).persisted
    ballast.unlink()
    await until_persisted(node)
    dump = await node.client.dump()
    assert dump.changes == {"r/x": b"first", "r/big": b"17", "o/kept": b"{}"}
    await node.push({"r/big": b"after"})
    assert (await node.client.dump()).version == (await node.client.status()).version
    await node.client.handover()
    assert (await node.get("r/big")).body == "after"


async def test_the_journal_is_merged_beside_the_pushes(node: Node) -> None:
    """After megabytes of changes there is a snapshot, and everything starts from it."""
    for n in range(12):
        await node.push({"o/heavy": os.urandom(500_000), "r/x": b"%d" % n})
    await node.until(lambda: "merged the journal" in node.log())
    assert any((node.state / "journal").glob("snapshot.*[0-9]"))
    await node.push({"r/y": b"after"})
    await node.kill_keeper()
    for process in node.processes():
        process.kill()
    await node.begin()
    await node.until(lambda: bool(node.processes()))
    assert [(await node.get(k)).body for k in ("r/x", "r/y")] == ["11", "after"]
