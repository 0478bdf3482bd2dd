"""Large files, many files, and news that the kernel dropped."""

# The files of a test are small and near: nothing else waits for them.
# ruff: noqa: ASYNC240

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import pytest

from tests.sources.following import Follower, following, port_is, port_of, service, svc
from tidegate.kube.objects import EndpointSlice, Ref
from tidegate.sources import _intake, _watching, _worker, _workers, read_folder
from tidegate.sources._reading import Document
from tidegate.sources._wire import Job


def services(count: int, port: int = 80) -> str:
    return "---\n".join(service(f"s{i}", port) for i in range(count))


@asynccontextmanager
async def longest_stall() -> AsyncIterator[list[float]]:
    """Measure the longest time for which the event loop did not come round, in seconds."""
    longest = [0.0]

    async def watch() -> None:
        while True:
            start = perf_counter()
            await asyncio.sleep(0.001)
            longest[0] = max(longest[0], perf_counter() - start)

    task = asyncio.create_task(watch())
    try:
        yield longest
    finally:
        task.cancel()


async def test_a_large_file_is_read_beside_the_event_loop(tmp_path: Path) -> None:
    """The loop is never held for a good part of the time that the reading takes; small files do not wait for it."""
    (tmp_path / "small.yaml").write_text(service("small"))
    async with following(tmp_path) as seen, longest_stall() as longest:
        start = perf_counter()
        (tmp_path / "large.yaml").write_text(services(20_000))
        await asyncio.sleep(0.05)
        (tmp_path / "small.yaml").write_text(service("small", 81))
        await seen.until(lambda: port_of(seen.objects[svc("small")]) == 81)
        assert len(seen.objects) == 1
        await seen.until(lambda: len(seen.objects) == 20_001)
        taken = perf_counter() - start
        assert longest[0] < taken / 2
        place = seen.source.locate(svc("s19999"))
        assert place is not None
        assert (place.line, place.document) == (9 * 19999 + 1, 20_000)


@asynccontextmanager
async def held_up(seen: Follower, large: Path) -> AsyncIterator[asyncio.Event]:
    """Hold a file up in the middle of being taken as long as the block lasts; gives whether it is there."""
    ledger, there, free = seen.source._ledger, asyncio.Event(), False
    put = ledger.put

    def held(path: str, documents: list[Document]) -> Generator[None]:
        for at, _ in enumerate(put(path, documents)):
            while path == str(large) and at == 2 * len(documents) and not free:
                there.set()
                yield
            yield

    ledger.put = held  # type: ignore[method-assign]
    yield there
    free = True


async def test_a_small_file_overtakes_a_large_one_that_is_half_taken(tmp_path: Path) -> None:
    """Again and again; one that names an object of the large file waits for it, and loses to it."""
    large, small, other = tmp_path / "large.yaml", tmp_path / "small.yaml", tmp_path / "other.yaml"
    large.write_text(services(3000))
    small.write_text(service("small"))
    async with following(tmp_path) as seen:
        async with held_up(seen, large) as is_there:
            large.write_text(services(3000, 81))
            await is_there.wait()
            other.write_text(service("s7", 99))
            for port in (90, 91):
                small.write_text(service("small", port))
                await seen.until(port_is(seen, "small", port))
            assert port_is(seen, "s7", 80)()
            assert port_is(seen, "s2999", 80)()
        await seen.until(lambda: port_is(seen, "s2999", 81)() and bool(seen.findings))
        assert port_is(seen, "s7", 81)()
        assert port_is(seen, "small", 91)()
        assert seen.types() == ["DuplicateName"]
        fresh = read_folder(tmp_path)
        assert {c.ref: c.obj for c in fresh.changes} == seen.objects


async def test_a_small_file_that_many_were_read_with_overtakes_them(tmp_path: Path) -> None:
    """Whatever a worker makes of its older version."""
    for i in range(200):
        (tmp_path / f"{i}.yaml").write_text(service(f"s{i}") + "# " + "x" * 8000 + "\n")
    async with following(tmp_path) as seen:
        for turn in range(3):
            port = 100 + turn
            for i in range(200):
                (tmp_path / f"{i}.yaml").write_text(service(f"s{i}", port) + "# " + "x" * 8000 + "\n")
            (tmp_path / "7.yaml").write_text(service("s7", port + 50))
            await seen.until(lambda: all(port_is(seen, f"s{i}", port)() for i in range(200) if i != 7))  # noqa: B023
            await seen.until(port_is(seen, "s7", port + 50))


async def test_an_edit_of_a_large_file_tells_only_that(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    text = services(10_000)
    file.write_text(text)
    async with following(tmp_path) as seen:
        file.write_text(text.replace("name: s77\n", "name: other\n"))
        await seen.until(lambda: len(seen.batches) == 2)
        assert [(c.ref.name, c.obj is None) for c in seen.batches[1].changes] in (
            [("s77", True), ("other", False)],
            [("other", False), ("s77", True)],
        )


async def test_many_files_are_listed_by_workers(tmp_path: Path) -> None:
    """With the same result as by one reading after the other."""
    for i in range(3000):
        (tmp_path / f"{i}.yaml").write_text(service(f"s{i}") + "# " + "x" * 600 + "\n")
    (tmp_path / "bad.yaml").write_text("\t")
    async with following(tmp_path) as seen:
        fresh = read_folder(tmp_path)
        assert seen.batches[0].initial
        assert {c.ref: c.obj for c in fresh.changes} == seen.objects
        assert fresh.findings_by_file == seen.findings
        assert fresh.unread == seen.batches[0].unread == {str(tmp_path / "bad.yaml")}


async def test_100000_endpoints_in_one_slice_are_one_object(tmp_path: Path) -> None:
    lines = "".join(f"- addresses: [10.{i >> 16}.{i >> 8 & 255}.{i & 255}]\n" for i in range(100_000))
    head = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: big\naddressType: IPv4\nendpoints:\n"
    async with following(tmp_path) as seen:
        (tmp_path / "slice.yaml").write_text(head + lines)
        await seen.until(lambda: len(seen.objects) == 1)
        obj = seen.objects[Ref("EndpointSlice", "default", "big")]
        assert isinstance(obj, EndpointSlice)
        assert obj.endpoints is not None
        assert len(obj.endpoints) == 100_000


async def test_a_large_file_that_changes_while_it_is_read_ends_right(tmp_path: Path) -> None:
    """Also if it is gone by then, or small."""
    file = tmp_path / "large.yaml"
    async with following(tmp_path) as seen:
        for port in (81, 82, 83):
            file.write_text(services(5000, port))
            await asyncio.sleep(0.03)
        await seen.until(lambda: len(seen.objects) == 5000 and port_of(seen.objects[svc("s4999")]) == 83)
        file.write_text(services(5000, 84))
        await asyncio.sleep(0.03)
        file.write_text(service("small"))
        await seen.until_names("Service default/small")
        file.write_text(services(5000, 85))
        await asyncio.sleep(0.03)
        file.unlink()
        await seen.until_names()
        (tmp_path / "next.yaml").write_text(service("next"))
        await seen.until_names("Service default/next")
        assert port_of(seen.objects[svc("next")]) == 80


async def test_a_document_too_slow_for_the_loop_is_read_by_a_worker(tmp_path: Path) -> None:
    """Not every document can be read fast; a long one that cannot goes the same way as a large file."""
    text = service("a") + "# ü\n" * 8000
    assert _intake.EXACT_BYTES < len(text) < _intake.INLINE_BYTES
    async with following(tmp_path) as seen:
        (tmp_path / "a.yaml").write_text(text)
        await seen.until_names("Service default/a")


async def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    """Its file is read by the next; the source goes on."""
    file = tmp_path / "large.yaml"
    async with following(tmp_path, workers=1) as seen:
        file.write_text(services(3000))
        await seen.until(lambda: len(seen.objects) == 3000)
        process = seen.source._intake._workers[0]._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        file.write_text(services(4000))
        await seen.until(lambda: len(seen.objects) == 4000)
        assert seen.types() == []


async def test_a_file_of_which_workers_die_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files beside it are read all the same."""
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.yaml").write_text(service(name))
    deadly = "from tidegate.sources import _worker, _opening; load = _opening.load\n"
    deadly += "_opening.load = lambda path, limit: exit(9) if path.endswith('b.yaml') else load(path, limit)\n_worker.main()"
    monkeypatch.setattr(_workers, "PROGRAM", deadly)
    worker = _workers.Worker()
    jobs = [Job(str(tmp_path / f"{n}.yaml"), 1000) for n in ("a", "b", "c")]
    parts = [part async for part in worker.read(jobs)]
    await worker.close()
    assert [(p.file[-6], len(p.entries), p.fault.type if p.fault else "") for p in parts if p.last] == [
        ("a", 1, ""),
        ("b", 0, "ReaderDied"),
        ("c", 1, ""),
    ]


async def test_memory_that_a_file_would_exhaust_is_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway only hears of it."""
    (tmp_path / "a.yaml").write_text("# " + "x" * (40 * 2**20))
    small = f"from tidegate.sources import _worker; _worker.MEMORY_BYTES = {100 * 2**20}; _worker.main()"
    monkeypatch.setattr(_workers, "PROGRAM", small)
    async with following(tmp_path) as seen:
        assert seen.types() == ["ReaderDied"]
        (tmp_path / "b.yaml").write_text(service("b"))
        await seen.until_names("Service default/b")


async def test_news_that_the_kernel_dropped_lead_to_a_look_at_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than its queue holds: what changed is found by its times, what is gone by its absence."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    (tmp_path / "a.yaml").write_text(service("a"))
    (tmp_path / "b.yaml").write_text(service("b"))
    overflows: list[_watching.News] = []
    news = _watching._news

    def watch(event: object) -> list[_watching.News]:
        found = news(event)  # type: ignore[arg-type]
        overflows.extend(n for n in found if n.what is _watching.What.OVERFLOW)
        return found

    monkeypatch.setattr(_watching, "_news", watch)
    async with following(tmp_path) as seen:
        for i in range(limit // 2 + 100):  # two events each, and nobody listens in between
            (tmp_path / f".x{i % 2}").touch()
            (tmp_path / f".x{i % 2}").unlink()
        (tmp_path / "a.yaml").write_text(service("a", 81))
        (tmp_path / "b.yaml").unlink()
        (tmp_path / "c.yaml").write_text(service("c"))
        await seen.until_names("Service default/a", "Service default/c")
        await seen.until(lambda: port_of(seen.objects[svc("a")]) == 81)
        assert overflows


async def test_a_folder_that_cannot_be_watched_is_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the kernel's watches are used up: a finding, and changes are seen a little later."""

    def full(self: object, folder: str) -> int:
        raise _watching.NoWatch(28, "No space left on device", folder)

    monkeypatch.setattr(_watching.Watcher, "add", full)
    (tmp_path / "a.yaml").write_text(service("a"))
    async with following(tmp_path) as seen:
        assert seen.types() == ["TooManyFolders"]
        (tmp_path / "b.yaml").write_text(service("b"))
        (tmp_path / "a.yaml").unlink()
        await seen.until_names("Service default/b")
        assert seen.types() == ["TooManyFolders"]


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """No process, no task, no descriptor."""
    before = set(Path("/proc/self/fd").iterdir())
    tasks = asyncio.all_tasks()
    (tmp_path / "large.yaml").write_text(services(3000))
    async with following(tmp_path) as seen:
        workers = [w._process for w in seen.source._intake._workers if w._process is not None]
        assert workers
    await asyncio.sleep(0)
    assert all(w.returncode is not None for w in workers)
    assert asyncio.all_tasks() == tasks
    await asyncio.sleep(0.05)
    assert (
        len(set(Path("/proc/self/fd").iterdir()) - before) <= 2
    )  # what the event loop itself keeps to await processes


def test_the_worker_is_bounded() -> None:
    assert _worker.MEMORY_BYTES <= 4 * 2**30
