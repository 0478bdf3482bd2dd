"""The keeper's parts where the whole cannot be brought to show them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from tests.dataplane.keeper.conftest import Node, free_port
from tidegate.dataplane.install import find
from tidegate.dataplane.journal import Journal
from tidegate.dataplane.keeper import _adoption, _procfs, _sockets, frames
from tidegate.dataplane.keeper._access_log import AccessLog
from tidegate.dataplane.keeper._children import Children
from tidegate.dataplane.keeper._configuration import from_request
from tidegate.dataplane.keeper._engine import Engine
from tidegate.dataplane.keeper._faults import Malformed, PortInUse
from tidegate.dataplane.keeper._http import PushSocket, Unanswered
from tidegate.dataplane.keeper._keeper import Keeper
from tidegate.dataplane.keeper._nginx import Nginx
from tidegate.dataplane.keeper._records import Records
from tidegate.dataplane.keeper._retired import Retired
from tidegate.dataplane.keeper.locks import InUse, Lock
from tidegate.dataplane.keeper.paths import StateDir
from tidegate.dataplane.push import ensure_keeper


async def test_without_the_old_sockets_a_hand_over_binds_anew(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the kernel does not give out the old keeper's sockets, the old nginx is ended first; entries stay."""

    def refused(_pid: int) -> list[socket.socket]:
        raise PermissionError(1, "Operation not permitted")

    await node.kill_keeper()
    monkeypatch.setattr(_adoption, "listening_sockets", refused)
    state = StateDir(node.state)
    children = Children()
    records = Records(Journal(state.journal), children)
    nginx = Nginx(find().nginx_argv(), state, children, -1)
    keeper = Keeper(Engine(state, nginx, records, AccessLog(state, children, -1)))
    await keeper.begin()
    try:
        before = await keeper.status()
        assert (before.version, len(before.workers)) == (1, 2)
        await keeper.engine.hand_over()
        assert (await node.get()).body == "first"
        after = await keeper.status()
        assert after.master != before.master
        await keeper.engine.hand_over()
        assert (await keeper.status()).handovers == 2
        assert (await node.get()).body == "first"
    finally:
        keeper.stop()
        await keeper.ended.wait()
        await keeper.close()


async def test_a_state_folder_with_a_long_path_works(tmp_path: Path) -> None:
    """Paths of sockets may be longer than the kernel takes."""
    node = Node(tmp_path / ("long" * 30) / "state")
    try:
        await node.begin()
        await node.client.configure(node.conf("one"))
        await node.push({"r/x": b"first"})
        assert (await node.get()).body == "first"
    finally:
        await node.end()


async def test_a_keeper_that_cannot_begin_says_why(tmp_path: Path) -> None:
    """The reason reaches the controller that wanted it started."""
    (tmp_path / "journal").write_text("in the way")
    with pytest.raises(Exception, match="journal"):
        await ensure_keeper(tmp_path)


def test_a_second_keeper_is_refused(tmp_path: Path) -> None:
    """It ends with code 3 and names the process that lives."""
    lock = Lock(tmp_path / "keeper.lock")
    command = [sys.executable, "-m", "tidegate.dataplane.keeper", "--state-dir", str(tmp_path), "--detach"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    lock.release()
    assert ended.returncode == 3
    assert f"in use by process {os.getpid()}" in ended.stderr


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    """After a kill -9 the lock is free, though its file is there."""
    code = "import sys, time; from pathlib import Path; from tidegate.dataplane.keeper.locks import Lock\n"
    code += "lock = Lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "x.lock")], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(InUse, match=str(holder.pid)):
            Lock(tmp_path / "x.lock")
        holder.kill()
    Lock(tmp_path / "x.lock").release()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_listening_sockets_of_another_process_can_be_taken_over(host: str) -> None:
    """The duplicate is the same socket: what was queued there is accepted here."""
    code = "import socket, sys, time; s = socket.create_server((sys.argv[1], 0), family=int(sys.argv[2]))\n"
    code += "print(s.getsockname()[1], flush=True); time.sleep(60)"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    command = [sys.executable, "-c", code, host, str(int(family))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        with socket.create_connection((host, port)):
            (taken,) = _adoption.listening_sockets(other.pid)
            sockets = _sockets.Sockets()
            sockets.adopt([taken])
            assert sockets.has([(host, port)])
            other.kill()
            accepted, _ = taken.accept()
            accepted.close()
        sockets.keep_only([])


def test_all_sockets_are_opened_or_none() -> None:
    """A port that is taken leaves the others closed."""
    free = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sockets = _sockets.Sockets()
        with pytest.raises(PortInUse):
            sockets.open([("127.0.0.1", free), ("127.0.0.1", taken.getsockname()[1])])
    with socket.create_server(("127.0.0.1", free)):
        pass


def test_both_families_can_have_one_port() -> None:
    """IPv6 sockets take IPv6 connections only."""
    port = free_port()
    sockets = _sockets.Sockets()
    sockets.open([("0.0.0.0", port), ("::", port)])
    assert len(sockets.descriptors([("0.0.0.0", port), ("::", port)])) == 2
    sockets.keep_only([])


def test_each_worker_has_a_socket_for_the_datagrams_of_a_port() -> None:
    """They share the port; a successor that takes them over tells them apart, and finds each once."""
    port = free_port()
    keys = [("127.0.0.1", port, n) for n in range(3)]
    sockets, later = _sockets.Sockets(), _sockets.Sockets()
    sockets.open(keys)
    own = _adoption.listening_sockets(os.getpid())
    later.adopt([*own, *_adoption.listening_sockets(os.getpid())])
    assert later.has(keys)
    assert not later.has([("127.0.0.1", port, 3)])
    sockets.keep_only([])
    later.keep_only(keys[:1])
    assert len(later.descriptors(keys)) == 1
    later.keep_only([])


def test_a_port_of_datagrams_that_is_taken_names_its_holder() -> None:
    """As for connections."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {port}"):
            _sockets.Sockets().open([("127.0.0.1", port, 0)])


def test_another_number_of_workers_needs_another_nginx_where_datagrams_are_taken() -> None:
    """For each has a socket of its own."""
    request = {**REQUEST, "datagrams": [["127.0.0.1", 53]]}
    one, two = (from_request({**request, "workers": n}, b"") for n in (1, 2))
    assert not one.reloads_to(two)
    assert from_request({**REQUEST, "workers": 1}, b"").reloads_to(
        from_request({**REQUEST, "workers": 2}, b"")
    )
    assert [len(c.sockets) for c in (one, two)] == [2, 3]


def test_a_process_is_told_from_a_later_one_with_its_number() -> None:
    """A number alone is not trusted, and a zombie is not alive."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        process = _procfs.process(child.pid)
        assert process is not None
        assert process in _procfs.children(os.getpid())
        assert process.alive
        assert not process._replace(started=process.started - 1).alive
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert [process.alive] == [False]


REQUEST = {"generation": "a", "profiles": {}, "listeners": [["127.0.0.1", 80]], "workers": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 0},
        {"listeners": []},
        {"listeners": [["localhost", 80]]},
        {"listeners": [["::1%eth0", 80]]},
        {"profiles": ["a"]},
        {"generation": None},
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    """Nothing is written or opened for it."""
    with pytest.raises(Malformed):
        from_request({**REQUEST, **wrong}, b"")


def test_a_configuration_says_what_decides_between_reload_and_hand_over() -> None:
    """Sizes of shared memory and listeners need a new nginx; text alone does not."""
    one = from_request(REQUEST, b"http {\n lua_shared_dict a 1m;\n}\nworker_shutdown_timeout 3m;\n")
    assert one.shutdown_seconds == 180
    assert one.reloads_to(from_request(REQUEST, b"http {\n lua_shared_dict  a  1m ;\n}"))
    assert not one.reloads_to(from_request(REQUEST, b"http {\n lua_shared_dict a 2m;\n}"))
    other = from_request({**REQUEST, "listeners": [["127.0.0.1", 81]]}, b"lua_shared_dict a 1m;")
    assert not one.reloads_to(other)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[list[bytes]]:
    """Give a list of what a server answers, one entry per request; an empty one closes the connection."""
    answers: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            answer = answers.pop(0)
            if not answer:
                break
            writer.write(answer)
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "push.sock"):
        yield answers


async def test_answers_of_known_length_and_in_chunks_are_read(server: list[bytes], tmp_path: Path) -> None:
    """Both ways in which nginx answers give the body."""
    server += [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n3\r\nbcd\r\n0\r\n\r\n",
    ]
    push = PushSocket(tmp_path / "push.sock")
    assert await push.get("/a", seconds=5) == (200, b"ab", False)
    assert await push.post("/b", [b"x"], seconds=5) == (409, b"abcd", False)
    push.close()


async def test_a_request_on_a_connection_that_was_closed_is_sent_again(
    server: list[bytes], tmp_path: Path
) -> None:
    """The answer says so, because the first may have had its effect."""
    server += [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ]
    push = PushSocket(tmp_path / "push.sock")
    assert not (await push.get("/", seconds=5)).resent
    assert (await push.get("/", seconds=5)).resent
    push.close()


@pytest.mark.parametrize(
    "nonsense",
    [b"", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"],
)
async def test_an_answer_that_is_none_is_no_answer(
    server: list[bytes], tmp_path: Path, nonsense: bytes
) -> None:
    """Whatever is wrong with it, there is one error."""
    server.append(nonsense)
    push = PushSocket(tmp_path / "push.sock")
    with pytest.raises(Unanswered):
        await push.get("/", seconds=5)


@pytest.mark.parametrize("wrong", [b"\xff\xff\xff\xff\0\0\0\0", b"\0\0\0\2\0\0\0\0[]", b"\0\0\0\1\0\0\0\0x"])
async def test_frames_that_are_none_are_refused(wrong: bytes) -> None:
    """A stray client cannot make the keeper take gigabytes."""
    reader = asyncio.StreamReader()
    reader.feed_data(wrong)
    with pytest.raises(frames.BadFrame):
        await frames.read(reader)


async def test_children_and_strangers_are_reaped() -> None:
    """A child's exit code is kept; a process that was inherited does not stay a zombie."""
    children = Children()
    stranger = os.posix_spawn("/bin/true", ["true"], {})  # noqa: ASYNC221 - it is not awaited
    outcome = await children.run(["sh", "-c", "cat; echo no >&2; exit 3"], seconds=10, stdin=b"given")
    assert outcome == (3, b"given", "no\n")
    slow = await children.run(["sleep", "60"], seconds=0.1)
    assert slow.code == -9
    assert not psutil.pid_exists(stranger)


@pytest.fixture
def sleeper() -> Iterator[_procfs.Process]:
    """Give a process that only waits."""
    with subprocess.Popen(["sleep", "60"]) as child:
        process = _procfs.process(child.pid)
        assert process is not None
        yield process
        child.kill()


async def test_one_stuck_worker_is_one_old_generation(sleeper: _procfs.Process) -> None:
    """It is counted once, however many reloads saw it."""
    retired = Retired()
    for name in "abcdef":
        retired.add(name, [sleeper])
    retired.tick()
    assert len(retired) == 1
    assert sleeper.alive
    assert not await retired.until_gone(0.01)
    retired.end_all(signal.SIGTERM)
    assert await retired.until_gone(10)
