"""Connections to backends: how many are kept and for how long, whom they serve, what a retry may do, who is passed over."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness import http, waiting
from harness.backends import Backends
from harness.dataplane import DataPlane, settings, simple
from harness.idler import Idler
from tidegate.model import Profile

HOST = "a.example"
OFF = Profile((("next_upstream", "off"),))


@contextlib.contextmanager
def gateway(*endpoints: tuple[str, int], off: bool = False, **node: Any) -> Iterator[DataPlane]:
    route = {"profile": OFF.id} if off else {}
    entries = simple(HOST, "web", endpoints, **route)
    with DataPlane(entries, profiles=[OFF], **{"workers": 1, **node}) as started:
        yield started


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(work, range(count)))


def ask(plane: DataPlane, path: str, host: str = HOST, **options: Any) -> http.Response:
    with http.Connection(plane.http) as connection:
        return connection.ask(path, host=host, **options)


def slow(plane: DataPlane, count: int, host: str = HOST) -> None:
    """Have so many requests under way at once, so that as many connections are open."""
    assert {r.status for r in at_once(count, lambda n: ask(plane, f"/{n}?delay=0.3", host))} == {200}


@pytest.fixture
def web(pool: Backends) -> Any:
    return pool.one("web")


def test_a_backend_keeps_as_many_idle_connections_as_the_config_map_says(web: Any) -> None:
    """The others are closed within moments of their use."""
    with gateway((web.address, web.port), upstream_keepalive_connections=3) as plane:
        slow(plane, 20)
        assert len(web.open) > 3
        waiting.until(lambda: len(web.open) <= 3, 5, why="end of the connections too many")
        time.sleep(0.3)
        assert len(web.open) == 3


def test_no_connection_is_kept_where_the_config_map_says_none(web: Any) -> None:
    """Zero turns the pool off."""
    with gateway((web.address, web.port), upstream_keepalive_connections=0) as plane:
        assert len({ask(plane, f"/{n}").echo.connection for n in range(5)}) == 5


def test_a_connection_serves_as_many_requests_as_the_config_map_says(web: Any) -> None:
    """Then another takes its place."""
    with gateway((web.address, web.port), upstream_keepalive_requests=4) as plane:
        served = [ask(plane, f"/{n}").echo.connection for n in range(12)]
    assert [served.count(number) for number in sorted(set(served))] == [4, 4, 4]


def test_an_idle_connection_is_closed_when_the_config_map_says(web: Any) -> None:
    """By the gateway; the backend here never does."""
    with gateway((web.address, web.port), upstream_keepalive_timeout=1) as plane:
        ask(plane, "/")
        assert len(web.open) == 1
        waiting.until(lambda: not web.open, 5, why="end of the idle connection")


def test_a_connection_in_use_is_replaced_when_it_has_lived_as_long_as_it_may(web: Any) -> None:
    """However busy it is."""
    with gateway((web.address, web.port), upstream_keepalive_time=2) as plane:
        first = ask(plane, "/").echo.connection
        waiting.until(lambda: ask(plane, "/").echo.connection != first, 6, why="another connection")


def test_a_backend_with_many_connections_leaves_those_of_another_alone(pool: Backends) -> None:
    """Though it opens far more than it may keep, again and again."""
    hog, quiet = pool.one("hog"), pool.one("quiet")
    entries = {
        **simple("hog.example", "hog", [(hog.address, hog.port)]),
        **simple("quiet.example", "quiet", [(quiet.address, quiet.port)]),
    }
    with DataPlane(entries, workers=1, upstream_keepalive_connections=8) as plane:
        numbers = []
        for _ in range(3):
            numbers += [ask(plane, f"/{n}", "quiet.example").echo.connection for n in range(10)]
            slow(plane, 60, "hog.example")
        assert hog.connections >= 60
        assert len(set(numbers)) == 1


def rounds(plane: DataPlane, method: str, clients: int, times: int, every: float) -> list[int]:
    """Have clients ask at the same moments, so that each needs a connection which has been idle just that long."""
    begin = time.monotonic() + 0.2
    statuses: list[int] = []

    def client(number: int) -> None:
        dice = random.Random(number)
        for turn in range(times):
            time.sleep(max(0.0, begin + turn * every + dice.uniform(-0.05, 0.05) * every - time.monotonic()))
            body = b"once" if method == "POST" else b""
            with http.Connection(plane.http) as connection:
                path = f"/{method}/{number}/{turn}"
                statuses.append(connection.ask(path, host=HOST, method=method, body=body).status)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


@pytest.mark.parametrize(
    ("method", "retries"),
    [("GET", "on"), ("GET", "off"), ("POST", "on")],
)
def test_requests_meet_the_end_of_idle_connections_without_harm(method: str, retries: str) -> None:
    """The backend closes them just as they are wanted again: all are answered, and a POST is carried out just once."""
    with Idler(idle=0.7) as backend, gateway(backend.endpoint, off=retries == "off") as plane:
        backend.delay = 0.1
        statuses = rounds(plane, method, clients=25, times=3, every=0.8)
        assert statuses == [200] * 75
        if method == "POST":
            assert set(backend.executed.values()) == {1}


@pytest.mark.parametrize(("fate", "status"), [("reset", 502), ("silence", 504)])
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH"])
def test_with_retries_off_a_request_that_a_backend_got_is_not_sent_again(
    method: str, fate: str, status: int
) -> None:
    """Whatever becomes of it there."""
    with Idler(fate=fate) as one, Idler(fate=fate) as two:
        with gateway(one.endpoint, two.endpoint, off=True, read_timeout=1) as plane:
            plane.push({"g": settings(read_timeout=1)})
            asked = at_once(
                8, lambda n: ask(plane, f"/{n}", method=method, body=b"x" if method != "GET" else b"")
            )
            assert {answer.status for answer in asked} == {status}
        assert sum(one.executed.values()) + sum(two.executed.values()) == 8


@pytest.mark.parametrize("off", [True, False], ids=["retries off", "retries as by default"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_where_every_endpoint_answers_503_each_request_is_sent_once(
    pool: Backends, method: str, *, off: bool
) -> None:
    """Over fresh connections and kept ones: attempts ÷ requests is 1.00, and the backend's own answer is given."""
    made = pool.group("overloaded", 3)
    for backend in made:
        backend.status = 503
    with gateway(*((b.address, b.port) for b in made), off=off) as plane:
        with ThreadPoolExecutor(6) as threads:
            statuses = list(threads.map(lambda n: ask(plane, f"/{n}", method=method).status, range(120)))
        assert statuses == [503] * 120
        assert sum(b.requests for b in made) == 120
        # Nobody is passed over for it.
        assert {b.requests for b in made} == {40}


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_request_that_must_not_be_repeated_is_carried_out_once(method: str) -> None:
    """With retries as they are by default; a GET goes to each endpoint in turn."""
    with Idler(fate="reset") as one, Idler(fate="reset") as two, gateway(one.endpoint, two.endpoint) as plane:
        assert ask(plane, "/once", method=method, body=b"x").status == 502
        assert one.executed["/once"] + two.executed["/once"] == 1
        assert ask(plane, "/again").status == 502
        assert {one.executed["/again"], two.executed["/again"]} == {1, 2}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_with_retries_off_another_endpoint_is_tried_if_no_connection_was_made(web: Any, method: str) -> None:
    """Nothing was sent, so nothing is sent twice."""
    (refusing,) = waiting.free_ports(1)
    before = web.requests
    with gateway(("127.0.0.1", refusing), (web.address, web.port), off=True) as plane:
        statuses = [ask(plane, f"/{n}", method=method, body=b"x").status for n in range(10)]
    assert statuses == [200] * 10
    assert web.requests - before == 10


def test_an_answer_that_broke_off_is_never_begun_again(pool: Backends) -> None:
    """The client sees that it is not whole, and one endpoint was asked."""
    made = pool.group("cut", 2)
    with gateway(*((b.address, b.port) for b in made)) as plane, pytest.raises(http.NoAnswer):
        ask(plane, "/?cut=1&bytes=100000")
    assert sum(b.requests for b in made) == 1


def refusals(plane: DataPlane) -> int:
    return plane.errors.count("Connection refused")


def test_an_endpoint_that_refuses_costs_one_try_and_is_used_again_once_it_is_back(pool: Backends) -> None:
    """No client notices either; the others share its requests."""
    made = pool.group("many", 10)
    dead, *others = made
    with gateway(*((b.address, b.port) for b in made)) as plane:
        dead.refuse()
        assert {ask(plane, f"/{n}").status for n in range(180)} == {200}
        assert refusals(plane) == 1
        counts = [b.requests for b in others]
        assert max(counts) - min(counts) <= 2
        dead.accept()
        before = dead.requests
        waiting.until(lambda: ask(plane, "/").backend == dead.id, 10, why="return of the endpoint")
        assert dead.requests > before


def test_endpoints_that_all_refuse_are_all_tried(pool: Backends) -> None:
    """Being down is no reason not to be asked if there is nobody else."""
    made = pool.group("gone", 2)
    with gateway(*((b.address, b.port) for b in made)) as plane:
        for backend in made:
            backend.refuse()
        assert [ask(plane, f"/{n}").status for n in range(3)] == [502] * 3
        for backend in made:
            backend.accept()
        assert ask(plane, "/").status == 200


def test_an_endpoint_that_does_not_answer_is_waited_for_once(web: Any) -> None:
    """As long as the connect timeout; then the other one serves."""
    with socket.create_server(("127.0.0.9", 0), backlog=0) as deaf:
        address = deaf.getsockname()
        # A full queue: further connections are not answered.
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(address)
        with gateway(address, (web.address, web.port), connect_timeout=1) as plane:
            plane.push({"g": settings(connect_timeout=1)})
            assert [ask(plane, f"/{n}").status for n in range(20)] == [200] * 20
            assert plane.errors.count("upstream timed out") == 1
        for filler in fillers:
            filler.close()


def test_clients_that_go_away_leave_no_wrong_answers_behind(web: Any) -> None:
    """In the kept connections that later requests use."""
    with gateway((web.address, web.port)) as plane:

        def leave(number: int) -> None:
            dice = random.Random(number)
            for turn in range(8):
                with socket.create_connection(("127.0.0.1", plane.http)) as client:
                    wish = dice.choice(["bytes=300000", "chunks=3&every=0.01", "delay=0.02"])
                    text = f"GET /left/{turn}?{wish} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
                    client.sendall(text[: dice.randint(1, len(text))] if dice.random() < 0.3 else text)
                    time.sleep(dice.uniform(0, 0.03))

        at_once(16, leave)
        with http.Connection(plane.http) as connection:
            for number in range(1000):
                assert connection.ask(f"/whole/{number}", host=HOST).echo.uri == f"/whole/{number}"
