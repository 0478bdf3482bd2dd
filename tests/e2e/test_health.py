"""Endpoints in trouble: what traffic and checks find out, that all workers know it, and how an endpoint comes back."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc
import pytest

from harness import certs, http, keeper, waiting
from harness.backends import Backend as Server
from harness.backends import Backends
from harness.dataplane import DataPlane, settings, simple
from harness.gateway import Gateway
from harness.manifests import path, rule
from harness.services import Services
from tidegate.model import Affinity, Backend, Endpoint, Entry, HealthCheck
from tidegate.translate.interpret.declarations import OWN_PREFIX

HOST = "health.example"
ID = "ns/web/80"


class Fickle:
    """A backend that does with each connection as it is told: answer, reset it once the request is there, or refuse."""

    def __init__(self) -> None:
        self.fate = "answer"
        self.status = "200 OK"
        self.delay = 0.0
        self.asked: list[str] = []
        self.at: list[float] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.endpoint: tuple[str, int] = self._socket.getsockname()
        self._ended = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while not self._ended:
            try:
                client = self._socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(5)
            head = client.recv(65536)
            if not head:
                return
            self.at.append(time.monotonic())
            self.asked.append(head.split(b"\r\n", 1)[0].decode("latin-1"))
            time.sleep(self.delay)
            if self.fate == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return
            client.sendall(
                f"HTTP/1.1 {self.status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".encode()
            )


@contextlib.contextmanager
def deaf() -> Iterator[tuple[str, int]]:
    """Give an endpoint that answers no connection: the queue of its listener is full."""
    with socket.create_server(("127.0.0.9", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(address)
        yield address
        for filler in fillers:
            filler.close()


def world(*endpoints: tuple[str, int], check: HealthCheck | None = None, **more: Any) -> dict[str, Entry]:
    backend = Backend(tuple(Endpoint(a, p) for a, p in endpoints), check=check, **more)
    return {**simple(HOST, "web", endpoints), f"b/{ID}": backend}


def addresses(servers: list[Server]) -> list[tuple[str, int]]:
    return [(server.address, server.port) for server in servers]


def name(endpoint: tuple[str, int]) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"


def ask(plane: DataPlane, path: str = "/", **options: Any) -> http.Response:
    """Ask on a connection of its own, so that any worker may serve."""
    return http.get(plane.http, path, host=HOST, **options)


def health(plane: DataPlane) -> dict[str, Any]:
    status, answer = plane.ask("GET", "/health")
    assert status == 200
    return dict(answer)


def passed_over(plane: DataPlane) -> set[str]:
    found = health(plane)["backends"].get(ID, {}).get("endpoints", {})
    return {endpoint for endpoint, state in found.items() if state["passed_over"]}


def statuses(plane: DataPlane, count: int, **options: Any) -> list[int]:
    return [ask(plane, f"/{n}", **options).status for n in range(count)]


# --- what traffic finds out ---------------------------------------------------------------------------------------------


def test_what_one_worker_learns_of_a_dead_endpoint_all_workers_know(pool: Backends) -> None:
    """Four of them: one failed try among 200 requests, none of which fails."""
    servers = pool.group("dead", 10)
    with DataPlane(world(*addresses(servers)), workers=4) as plane:
        servers[0].refuse()
        assert set(statuses(plane, 200)) == {200}
        assert plane.errors.count("Connection refused") == 1
        state = health(plane)["backends"][ID]["endpoints"][name(addresses(servers)[0])]
        assert (state["passed_over"], state["traffic"]) == (True, "unreachable")
        servers[0].accept()
        waiting.until(lambda: not passed_over(plane), 15, why="return of the endpoint")
        before = servers[0].requests
        statuses(plane, 30)
        assert servers[0].requests > before


def test_a_black_hole_is_waited_for_once_by_all_workers_together(pool: Backends) -> None:
    """As long as the connect timeout."""
    servers = pool.group("hole", 3)
    with deaf() as hole, DataPlane(world(hole, *addresses(servers)), workers=4) as plane:
        plane.push({"g": settings(connect_timeout=1)})
        assert set(statuses(plane, 40)) == {200}
        assert plane.errors.count("upstream timed out") == 1
        assert passed_over(plane) == {name(hole)}


def test_an_endpoint_that_breaks_connections_goes_after_three_in_a_row(pool: Backends) -> None:
    """All requests are answered, by the others; then it is left alone for ten seconds."""
    servers = pool.group("broken", 3)
    with Fickle() as bad, DataPlane(world(bad.endpoint, *addresses(servers)), workers=4) as plane:
        bad.fate = "reset"
        assert set(statuses(plane, 60)) == {200}
        assert len(bad.asked) == 3
        assert passed_over(plane) == {name(bad.endpoint)}
        state = health(plane)["backends"][ID]["endpoints"][name(bad.endpoint)]
        assert state["traffic"] == "reset"
        assert 9 < state["next_try"] - state["since"] <= 12


def test_success_forgives_connections_that_broke(pool: Backends) -> None:
    """Two failures, a success, two failures: it stays."""
    servers = pool.group("forgiven", 1)
    with Fickle() as bad, DataPlane(world(bad.endpoint, *addresses(servers)), workers=2) as plane:
        for fate in ("reset", "reset", "answer", "reset", "reset", "answer"):
            bad.fate, before = fate, len(bad.asked)
            while len(bad.asked) == before:
                ask(plane)
        assert passed_over(plane) == set()
        assert health(plane)["counts"].get("reset", 0) == 0


def test_answers_with_errors_are_no_failures_of_an_endpoint(pool: Backends) -> None:
    """Whatever their status: that is for checks to see."""
    servers = pool.group("errors", 1)
    with Fickle() as bad, DataPlane(world(bad.endpoint, *addresses(servers)), workers=2) as plane:
        bad.status = "502 Bad Gateway"
        statuses(plane, 30)
        assert len(bad.asked) >= 10
        assert health(plane)["backends"] == {}


def test_an_endpoint_that_dies_with_many_requests_under_way_has_failed_once(pool: Backends) -> None:
    """What breaks at one moment is one failure, so a restart in place costs no exile."""
    servers = pool.group("many", 1)
    with Fickle() as bad, DataPlane(world(bad.endpoint, *addresses(servers)), workers=2) as plane:
        bad.fate, bad.delay = "reset", 0.5
        with ThreadPoolExecutor(12) as threads:
            answers = list(threads.map(lambda n: ask(plane, f"/{n}").status, range(12)))
        assert set(answers) == {200}
        assert len(bad.asked) >= 6
        assert health(plane)["backends"][ID]["endpoints"][name(bad.endpoint)]["failures"] == 1
        assert passed_over(plane) == set()


def test_most_endpoints_that_break_connections_are_kept(pool: Backends) -> None:
    """At most half of them go."""
    del pool
    with Fickle() as a, Fickle() as b, Fickle() as c, Fickle() as d:
        made = [a, b, c, d]
        with DataPlane(world(*(one.endpoint for one in made)), workers=2) as plane:
            for one in made:
                one.fate = "reset"
            assert set(statuses(plane, 60)) == {502}
            assert len(passed_over(plane)) == 2
            for one in made:
                one.fate = "answer"
            assert set(statuses(plane, 10)) == {200}


def test_state_outlives_a_reload(pool: Backends) -> None:
    """The new workers do not try a dead endpoint first."""
    servers = pool.group("reload", 3)
    with DataPlane(world(*addresses(servers)), workers=2) as plane:
        servers[0].refuse()
        statuses(plane, 20)
        assert plane.errors.count("Connection refused") == 1
        old = set(plane.workers)
        os.kill(plane.master, signal.SIGHUP)
        waiting.until(lambda: len(plane.workers) == 2 and not old & set(plane.workers), 10, why="reload")
        assert set(statuses(plane, 30)) == {200}
        assert plane.errors.count("Connection refused") == 1
        servers[0].accept()


def test_an_endpoint_that_left_and_came_back_is_as_good_as_new(pool: Backends) -> None:
    """What was known of it is forgotten with it; of the others it is kept."""
    servers = pool.group("back", 4)
    with DataPlane(world(*addresses(servers)), workers=2) as plane:
        servers[0].refuse()
        servers[1].refuse()
        statuses(plane, 20)
        assert passed_over(plane) == {name(e) for e in addresses(servers)[:2]}
        plane.push({f"b/{ID}": world(*addresses(servers)[1:])[f"b/{ID}"]})
        servers[0].accept()
        plane.push({f"b/{ID}": world(*addresses(servers))[f"b/{ID}"]})
        assert passed_over(plane) == {name(addresses(servers)[1])}
        servers[1].accept()


def test_new_sessions_avoid_a_dead_endpoint_and_a_session_may_move(pool: Backends) -> None:
    """Sessions of other endpoints stay."""
    servers = pool.group("sticky", 3)
    affinity = Affinity("SID", change_on_failure=True)
    with DataPlane(world(*addresses(servers), affinity=affinity), workers=2) as plane:
        servers[0].refuse()
        assert set(statuses(plane, 60)) == {200}
        assert plane.errors.count("Connection refused") == 1
        servers[0].accept()


# --- what checks find out -----------------------------------------------------------------------------------------------

QUICK = HealthCheck(path="/ready", interval=0.3, timeout=0.3, rise=2, fall=2)


def test_an_endpoint_that_fails_its_checks_is_passed_over_until_it_passes_them(pool: Backends) -> None:
    """Though no request was ever sent to it; one worker of four checks."""
    servers = pool.group("checked", 3)
    with Fickle() as bad:
        bad.status = "503 Service Unavailable"
        with DataPlane(world(bad.endpoint, *addresses(servers), check=QUICK), workers=4) as plane:
            waiting.until(lambda: passed_over(plane) == {name(bad.endpoint)}, 10, why="failing checks")
            assert health(plane)["backends"][ID]["endpoints"][name(bad.endpoint)]["check"] == "status 503"
            assert set(bad.asked) == {"GET /ready HTTP/1.1"}
            begin, before = time.monotonic(), len(bad.asked)
            assert set(statuses(plane, 40)) == {200}
            seconds = time.monotonic() - begin
            assert len(bad.asked) - before <= seconds / 0.27 + 1
            bad.status = "204 No Content"
            waiting.until(lambda: not passed_over(plane), 10, why="passing checks")
            assert set(statuses(plane, 8)) == {200, 204}


def test_if_most_endpoints_fail_their_checks_the_checks_are_doubted(pool: Backends) -> None:
    """All are used, and the gateway says so."""
    del pool
    with Fickle() as a, Fickle() as b:
        check = HealthCheck(path="/no", statuses=((201, 201),), interval=0.3, timeout=0.3, rise=2, fall=1)
        with DataPlane(world(a.endpoint, b.endpoint, check=check), workers=2) as plane:
            waiting.until(lambda: health(plane)["panic"] == 1, 10, why="panic")
            assert set(statuses(plane, 20)) == {200}
            assert passed_over(plane) == set()


class GrpcHealth:
    """A gRPC server with the health service; `status` is what it answers about the service `shop`."""

    def __init__(self) -> None:
        self.status = 1
        self.asked: list[bytes] = []
        self._server = grpc.server(ThreadPoolExecutor(2))
        check = grpc.unary_unary_rpc_method_handler(self._check)
        handler = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check})
        self._server.add_generic_rpc_handlers((handler,))
        self.endpoint = ("127.0.0.1", self._server.add_insecure_port("127.0.0.1:0"))

    def _check(self, message: bytes, _context: grpc.ServicerContext) -> bytes:
        self.asked.append(message)
        return bytes([8, self.status]) if self.status else b""

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None)


def test_grpc_servers_are_asked_by_the_health_protocol() -> None:
    """One that does not serve is passed over; what it is asked is the message of the protocol."""
    check = HealthCheck(kind="grpc", service="shop", interval=0.3, timeout=0.3, rise=1, fall=1)
    with (
        GrpcHealth() as one,
        GrpcHealth() as two,
        DataPlane(world(one.endpoint, two.endpoint, check=check), workers=2) as plane,
    ):
        waiting.until(lambda: one.asked and two.asked, 10, why="checks")
        assert passed_over(plane) == set()
        assert set(one.asked) == {b"\n\x04shop"}
        two.status = 2
        waiting.until(lambda: passed_over(plane) == {name(two.endpoint)}, 10, why="NOT_SERVING")
        state = health(plane)["backends"][ID]["endpoints"][name(two.endpoint)]
        assert state["check"] == "NOT_SERVING"
        two.status = 1
        waiting.until(lambda: passed_over(plane) == set(), 10, why="SERVING")


@pytest.mark.parametrize("kind", ["tcp", "grpc"])
def test_kinds_of_checks(pool: Backends, kind: str) -> None:
    """A listener that speaks no HTTP/2 is good for TCP, and not for gRPC."""
    servers = pool.group(f"kind-{kind}", 1)
    (dead,) = waiting.free_ports(1)
    check = HealthCheck(kind=kind, interval=0.3, timeout=0.3, rise=1, fall=1)
    with Fickle() as fine:
        endpoints = [("127.0.0.1", dead), fine.endpoint, *addresses(servers)]
        with DataPlane(world(*endpoints, check=check), workers=2) as plane:
            wanted = {name(endpoints[0])} if kind == "tcp" else {name(e) for e in endpoints}
            waiting.until(
                lambda: set(health(plane)["backends"].get(ID, {}).get("endpoints", {})) == wanted, 10
            )


def test_a_check_of_an_endpoint_that_fails_half_of_the_time_changes_little() -> None:
    """A state lasts as many checks as it takes, and longer each time that it changes soon."""
    dice = random.Random(7)
    check = HealthCheck(interval=0.3, timeout=0.3, rise=1, fall=1)
    with (
        Fickle() as fine,
        Fickle() as bad,
        Fickle() as other,
        DataPlane(world(fine.endpoint, bad.endpoint, other.endpoint, check=check), workers=2) as plane,
    ):
        begin, changes = time.monotonic(), 0
        while time.monotonic() < begin + 2 or (not changes and time.monotonic() < begin + 20):
            bad.status = dice.choice(["200 OK", "500 Internal Server Error"])
            time.sleep(0.07)
            counts = health(plane)["counts"]
            changes = counts.get("checks_down", 0) + counts.get("checks_up", 0)
        assert 0 < changes <= len(bad.asked) / 2 + 1
        assert set(statuses(plane, 12)) <= {200, 500}


def test_checks_go_on_when_the_worker_that_makes_them_is_killed() -> None:
    """Another takes over."""
    with Fickle() as one, DataPlane(world(one.endpoint, check=QUICK), workers=2) as plane:
        waiting.until(lambda: one.asked, 10, why="first check")
        os.kill(int(health(plane)["leader"]), signal.SIGKILL)
        begin = time.monotonic()
        waiting.until(lambda: one.at[-1] > begin + 1, 10, why="check by another worker")


def test_checks_go_on_when_their_shared_memory_is_new() -> None:
    """As after a reload that brings another size of it: what is to be checked is found in the entries in force."""
    with Fickle() as one, DataPlane(world(one.endpoint, check=QUICK), workers=1) as plane:
        waiting.until(lambda: one.asked, 10, why="first check")
        conf = plane.folder / "nginx.conf"
        conf.write_text(conf.read_text().replace("tidegate_health 8m", "tidegate_health 9m"))
        old = set(plane.workers)
        os.kill(plane.master, signal.SIGHUP)
        waiting.until(lambda: plane.workers and not old & set(plane.workers), 10, why="reload")
        begin = time.monotonic()
        waiting.until(lambda: one.at[-1] > begin + 1, 20, why="check by the new worker")


def test_endpoints_that_speak_tls_are_checked_over_tls(pool: Backends, authority: certs.Authority) -> None:
    """Whatever their certificate says; one that does not speak it fails."""
    context = authority.server(authority.issue("in.example"))
    (secure,) = pool.group("checked-tls", 1, tls=context)
    check = HealthCheck(tls=True, interval=0.3, timeout=0.3, rise=1, fall=1)
    with Fickle() as plain, DataPlane(world(*addresses([secure]), plain.endpoint, check=check)) as plane:
        waiting.until(lambda: passed_over(plane) == {name(plain.endpoint)}, 10, why="failing check")
        waiting.until(lambda: secure.requests, 10, why="check over TLS")
        assert health(plane)["counts"]["checks_down"] == 1


def test_checks_follow_the_endpoints_and_end_with_the_annotation() -> None:
    """As every change: without a reload."""
    with Fickle() as one, Fickle() as two, DataPlane(world(one.endpoint), workers=2) as plane:
        plane.push({f"b/{ID}": world(one.endpoint, two.endpoint, check=QUICK)[f"b/{ID}"]})
        waiting.until(lambda: one.asked and two.asked, 10, why="checks of both")
        plane.push({f"b/{ID}": world(one.endpoint, two.endpoint)[f"b/{ID}"]})
        time.sleep(0.5)
        asked = len(one.asked), len(two.asked)
        time.sleep(0.7)
        assert (len(one.asked), len(two.asked)) == asked


def test_checks_by_annotation_and_what_the_commands_and_metrics_say_of_them(
    gateway: Gateway, services: Services, host: str
) -> None:
    """From the manifest to the answer of `tidegate backends`, without a reload."""
    reloads = gateway.reloads
    instances = services.start("shop", 3)
    annotations = {
        f"{OWN_PREFIX}health-check": "http",
        f"{OWN_PREFIX}health-check-path": "/ready?status=200",
        f"{OWN_PREFIX}health-check-interval": "1",
        f"{OWN_PREFIX}health-check-fall": "1",
        f"{OWN_PREFIX}health-check-rise": "1",
    }
    ingress = services.ingress("shop", rule(host, path("/", "shop")), annotations=annotations)
    gateway.apply(*services.of("shop", instances), ingress)
    instances[1].refuse()
    backend = f"{services.namespace}/shop/80"
    bad = f"{instances[1].address}:{instances[1].port}"

    def told() -> Any:
        payload = keeper.ask(gateway.state_dir / "keeper.sock", "health")[1]
        return json.loads(payload)["backends"].get(backend, {"endpoints": {}})["endpoints"].get(bad, {})

    waiting.until(lambda: told().get("check") == "connection refused", 10, why="failing check")
    (found,) = json.loads(gateway.run("backends", backend, "--output", "json").stdout)["backends"]
    assert found["health"]["endpoints"][bad]["passed_over"] is True
    shown = gateway.run("backends", backend).stdout
    assert "checked by http" in shown
    assert "fails" in shown
    told_there = gateway.metrics()
    assert told_there["tidegate_backends_in_panic"] == 0
    assert told_there["tidegate_endpoints_passed_over"] == 1
    assert told_there['tidegate_endpoint_events_total{event="checks_down"}'] == 1
    assert {gateway.get(host).status for _ in range(10)} == {200}
    instances[1].accept()
    waiting.until(lambda: told() == {}, 10, why="passing checks")
    assert gateway.reloads == reloads
