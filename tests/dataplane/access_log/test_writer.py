"""The writer's parts, by calling them; and the process, on a pipe of the test's own."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import waiting
from tidegate.dataplane.access_log import Account, FileSink, Framer, Mark, strict

# --- bytes made strict ------------------------------------------------------------------------------------------------


@given(st.binary().filter(lambda b: not any(c < 0x20 or c in b'"\\' for c in b)))
def test_any_bytes_become_a_json_string(raw: bytes) -> None:
    """What nginx's escape=json lets pass gives a JSON text that a strict reader takes; good UTF-8 stays as it is."""
    line = b'{"uri":"' + raw + b'"}'
    made = strict(line)
    assert set(json.loads(made.decode())) == {"uri"}
    try:
        raw.decode()
    except UnicodeDecodeError:
        assert b"\\\\x" in made
    else:
        assert made == line


# --- lines of the pipe ------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([b"\x1ea\n", b"\x1e{}\n", b"\x1db\n", b"\x1c7/1 5\n"])), st.data())
def test_lines_come_out_whole_however_they_come(lines: list[bytes], data: st.DataObject) -> None:
    """The same lines, in pieces of any size."""
    whole = b"".join(lines)
    framer, text, requests, connections, marks = Framer(), b"", 0, 0, 0
    while whole:
        size = data.draw(st.integers(1, len(whole)))
        piece = framer.take(whole[:size])
        whole = whole[size:]
        text += piece.text
        requests += piece.requests
        connections += piece.connections
        marks += len(piece.marks)
    assert text == b"".join(line[1:] for line in lines if line[0] != 0x1C)
    assert (requests, connections, marks) == tuple(
        sum(line[0] == kind for line in lines) for kind in (0x1E, 0x1D, 0x1C)
    )


def test_a_torn_line_is_left_out() -> None:
    """Its buffer found the pipe full in the middle of it; the lines around it are whole."""
    piece = Framer().take(b"\x1eone\n\x1etw\x1ethree\n\x1c9/1 3\n\x1efo\x1c9/1 4\n")
    assert piece.text == b"one\nthree\n"
    assert (piece.requests, piece.torn) == (2, 2)
    assert piece.marks == [Mark("9/1", 3), Mark("9/1", 4)]


# --- what should be there ---------------------------------------------------------------------------------------------


def test_what_workers_told_and_never_came_is_lost() -> None:
    account = Account()
    account.take([Mark("a", 0), Mark("b", 0)], 0, 0)
    account.take([Mark("a", 10), Mark("b", 5)], 9, 1)
    assert account.settle(2) == 0
    account.take([], 3, 3)
    assert account.settle(4.5) == 3
    assert account.settle(9) == 0
    assert account.lost == 3


def test_a_writer_that_comes_later_misses_nothing() -> None:
    """What workers wrote before is settled if it never heard of them; from a predecessor it takes all over."""
    account = Account()
    account.take([Mark("a", 1000)], 0, 0)
    account.take([Mark("a", 1010)], 10, 1)
    assert account.settle(5) == 0
    heir = Account(json.loads(json.dumps(account.kept())))
    heir.take([Mark("a", 1020)], 4, 10)
    assert heir.settle(14) == 6


# --- files --------------------------------------------------------------------------------------------------------------


def test_a_file_that_was_moved_or_removed_is_opened_anew(tmp_path: Path) -> None:
    """Its folder is made again, too; no line goes to the wrong file."""
    path = tmp_path / "logs" / "access.log"
    sink = FileSink(path)
    assert sink.write(b"one\n") == 4
    path.rename(tmp_path / "old")
    sink.write(b"two\n")
    path.unlink()
    path.parent.rmdir()
    sink.write(b"three\n")
    assert (tmp_path / "old").read_bytes() == b"one\n"
    assert path.read_bytes() == b"three\n"


def test_a_large_file_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    sink = FileSink(path, most=10, copies=2)
    for number in range(5):
        sink.write(f"line {number:05}\n".encode())
    kept = sorted(p.name for p in tmp_path.iterdir())
    assert kept == ["access.log.1", "access.log.2"]
    assert (tmp_path / "access.log.1").read_text() == "line 00004\n"


# --- the process --------------------------------------------------------------------------------------------------------


class Process:
    """A writer on a pipe that the test holds."""

    def __init__(self, folder: Path, *, file: int = 0) -> None:
        self.folder, self.log = folder, folder / "out" / "access.log"
        os.mkfifo(folder / "access.fifo")
        self.pipe = os.open(folder / "access.fifo", os.O_RDWR | os.O_NONBLOCK)
        self.start()
        if file:
            # Before it writes anything: it waits for lines.
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (file, resource.RLIM_INFINITY))

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tidegate.dataplane.access_log", "--state-dir", self.folder),
                *("--to", self.log, "--tell"),
            ],
        )

    def send(self, *lines: str) -> None:
        os.write(self.pipe, "".join(f"\x1e{line}\n" for line in lines).encode())

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def stats(self) -> dict[str, object]:
        path = self.folder / "access-log.json"
        return json.loads(path.read_text()) if path.exists() else {}


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path)
    yield made
    made.process.kill()
    made.process.wait()
    os.close(made.pipe)


def test_a_killed_writer_leaves_what_is_in_the_pipe_to_the_next(process: Process) -> None:
    process.send("one")
    waiting.until(lambda: process.lines() == ["one"], 10)
    process.process.kill()
    process.process.wait()
    process.send("two", "three")
    process.start()
    waiting.until(lambda: process.lines() == ["one", "two", "three"], 10)


def test_a_writer_ends_once_nobody_can_write(tmp_path: Path) -> None:
    made = Process(tmp_path)
    made.send("one")
    waiting.until(lambda: made.lines() == ["one"], 10)
    made.send("two")
    os.close(made.pipe)
    assert made.process.wait(10) == 0
    assert made.lines() == ["one", "two"]


def test_losses_are_told_in_the_log_and_beside_it(process: Process) -> None:
    """A worker told of five lines, two came."""
    os.write(process.pipe, b"\x1c1/1 0\n\x1eone\n\x1etwo\n\x1c1/1 5\n")

    def told() -> bool:
        return any("lines lost" in line for line in process.lines())

    waiting.until(told, 15)
    assert json.loads(process.lines()[2])["lines"] == 3
    waiting.until(lambda: process.stats().get("lost") == 3, 10)


def test_a_file_that_cannot_grow_waits_and_tears_no_line(tmp_path: Path) -> None:
    """A bound on the file stands for a full disk: in the middle of a line."""
    made = Process(tmp_path, file=2000)
    try:
        made.send("a" * 1200, "b" * 1200, "c" * 1200)
        waiting.until(lambda: made.log.exists() and made.log.stat().st_size == 2000, 10)
        waiting.until(lambda: bool(made.stats().get("trouble")), 10)
        resource.prlimit(
            made.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        )
        waiting.until(lambda: made.lines() == ["a" * 1200, "b" * 1200, "c" * 1200], 10)
        waiting.until(lambda: made.stats().get("written") == 3 and not made.stats()["trouble"], 10)
    finally:
        made.process.send_signal(signal.SIGTERM)
        made.process.wait(10)
        os.close(made.pipe)


def test_a_frozen_writer_never_holds_up_who_writes(process: Process) -> None:
    """The pipe fills, and from then on writing fails at once."""
    process.send("one")
    waiting.until(lambda: process.lines() == ["one"], 10)
    process.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()

    def fill() -> None:
        while time.monotonic() - began < 30:
            process.send("x" * 1000)

    with pytest.raises(BlockingIOError):
        fill()
    process.process.send_signal(signal.SIGCONT)
    waiting.until(lambda: len(process.lines()) > 50, 10)
