"""Too little of something: descriptors, disk, log folders, endpoints, workers; and clients that go away."""

from __future__ import annotations

import random
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from harness import cpu, http, manifests, programs, victims, waiting
from harness.gateway import Gateway
from harness.manifests import Manifest, path, rule
from harness.services import Services
from harness.trial import Recorders, Trial

HOST = "exhausted.example"


@pytest.fixture(scope="module")
def recorders() -> Iterator[Recorders]:
    with Recorders() as started:
        yield started


@pytest.fixture(scope="module")
def services() -> Services:
    return Services(None, "exhausted")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def objects(recorders: Recorders, services: Services) -> list[Manifest]:
    web = recorders.start("web", 3)
    for one in web:
        recorders.belongs("web", one)
    return [*services.of("web", web), services.ingress("web", rule(HOST, path("/", "web")))]


@pytest.fixture(scope="module")
def gateway(objects: list[Manifest]) -> Iterator[Gateway]:
    with Gateway(objects) as started:
        yield started


def trial(recorders: Recorders, gateway: Gateway, mix: str = "get=70,new=15,post=10,h2=5") -> Trial:
    return Trial(recorders, [f"web=http://{HOST}/"], ports=[gateway.http_port], mix=mix)


def test_without_descriptors_what_is_connected_is_served_and_nothing_spins(
    recorders: Recorders, objects: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """New connections wait; once there is room they are served."""
    with ExitStack() as stack:
        with monkeypatch.context() as patch:
            # Hard too: the keeper takes what it may have.
            few = ["prlimit", "--nofile=256:256", *programs.tidegate()]
            patch.setattr(programs, "tidegate", lambda: few)
            gateway = stack.enter_context(Gateway(objects, access_log=False))
        workers = gateway.workers
        with trial(recorders, gateway, "get=1") as load:
            waiting.until(lambda: gateway.get(HOST).status == 200)
            held = [socket.create_connection(("127.0.0.1", gateway.http_port), 5) for _ in range(700)]
            before = cpu.read(workers)
            time.sleep(1)
            used = cpu.read(workers).since(before).total
            for one in held:
                one.close()
        assert not load.failed
        # Seconds of all workers together in one second, the load included.
        assert used < 0.5 * len(workers)
        waiting.until(lambda: gateway.get(HOST).status == 200, 5)
        assert gateway.workers == workers
        assert "Too many open files" in gateway.nginx_logs()


def test_a_log_folder_that_is_removed_costs_no_request_and_no_reload(
    recorders: Recorders, services: Services, gateway: Gateway
) -> None:
    """Where nginx writes its log itself, it would neither reload nor start."""
    folder = gateway.root / "logs"
    folder.mkdir()
    objects = (gateway.folder.path / "objects.yaml").read_text()
    with Gateway(args=["--access-log", str(folder / "a.log")], access_log=False) as other:
        other.folder.write_text("objects.yaml", objects)
        other.eventually(HOST, status=200)
        shutil.rmtree(folder)
        with trial(recorders, other) as load:
            wish = {"proxy-body-size": "12345k"}
            other.folder.write(
                "b.yaml", services.ingress("b", rule("b.example", path("/", "web")), annotations=wish)
            )
            other.eventually("b.example", status=200)
            victims.kill(other, victims.MASTER)
        assert other.status()["restarts"] == 1
        assert victims.beyond_cut(load.verdict) == []
        folder.mkdir(exist_ok=True)
        waiting.until(lambda: (other.get(HOST), (folder / "a.log").read_text())[1], why="a log again")


def test_workers_that_die_while_changes_are_pushed_leave_no_mix(
    recorders: Recorders, services: Services, gateway: Gateway
) -> None:
    """Every worker has every change afterwards, and no temporary files pile up."""
    version = gateway.status()["version"]
    with trial(recorders, gateway, "new=1") as load:
        for n in range(24):
            gateway.folder.write(
                f"p{n}.yaml", services.ingress(f"p{n}", rule(f"p{n}.example", path("/", "web")))
            )
            if n % 6 == 3:
                victims.kill(gateway, victims.WORKER, n)
        gateway.eventually("p23.example", status=200)
    assert victims.beyond_cut(load.verdict) == []
    assert gateway.status()["version"] > version
    for n in range(24):
        assert {gateway.get(f"p{n}.example").status for _ in range(6)} == {200}
    left = [p for p in (gateway.state_dir / "nginx").rglob("*temp*/**/*") if p.is_file()]
    assert len(left) <= 10


def test_where_nobody_serves_the_answer_says_so_until_somebody_does(
    recorders: Recorders, services: Services, gateway: Gateway
) -> None:
    """No slice, no ready endpoint, no Service: 503 with ``Retry-After``; the first ready endpoint ends it."""
    late = recorders.start("late", 1)[0]
    host = "late.example"
    gateway.folder.write("late.yaml", services.ingress("late", rule(host, path("/", "late"))))
    answer = gateway.eventually(host, status=503)
    assert int(answer.get("Retry-After") or 0) > 0
    service = manifests.service("late", namespace=services.namespace)
    gateway.folder.write("late-service.yaml", service)
    waiting.until(lambda: gateway.get(host).status == 503)
    with Trial(recorders, [f"late=http://{host}/"], ports=[gateway.http_port], mix="get=1,new=1") as load:
        gateway.folder.write("late-slice.yaml", *services.of("late", [late])[1:])
        gateway.eventually(host, status=200)
    assert set(load.figures.statuses) == {"200", "503"}
    assert {f.what for f in load.verdict.faults} <= {"failed"}


def test_clients_that_go_away_leave_nothing_wrong_behind(recorders: Recorders, gateway: Gateway) -> None:
    """At whatever moment, by end or by reset, while other requests share the connections to backends."""
    draws = random.Random(5)
    with trial(recorders, gateway) as load:
        for n in range(150):
            with suppress(OSError), socket.create_connection(("127.0.0.1", gateway.http_port), 5) as one:
                wish = draws.choice(
                    ["/", "/?bytes=300000", "/?delay=0.05", "/?chunks=20&every=0.01&bytes=9000"]
                )
                request = http.request_bytes(wish, host=HOST)
                one.sendall(request[: draws.choice([len(request), len(request) // 2])])
                time.sleep(draws.choice([0, 0.001, 0.01]))
                if n % 2:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert not load.failed


def test_a_slow_reader_costs_no_memory_and_events_come_at_once(gateway: Gateway) -> None:
    """A large answer waits in the backend and, up to the limit, in a file; a stream is passed on as it comes."""
    before = sum(map(cpu.resident, gateway.workers))
    with socket.create_connection(("127.0.0.1", gateway.http_port), 5) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        slow.sendall(http.request_bytes("/?bytes=16000000", host=HOST))
        time.sleep(0.5)
        assert sum(map(cpu.resident, gateway.workers)) - before < 10 << 20
    with socket.create_connection(("127.0.0.1", gateway.http_port), 5) as events:
        request = http.request_bytes(
            "/?chunks=8&every=0.2&bytes=800", host=HOST, headers=[("Accept", "text/event-stream")]
        )
        events.sendall(request)
        data = b""
        start = time.monotonic()
        while b"\r\n\r\n" not in data or not data.partition(b"\r\n\r\n")[2]:
            data += events.recv(4096)
        first = time.monotonic() - start
        while not data.endswith(b"0\r\n\r\n"):
            data += events.recv(4096)
        assert first < (time.monotonic() - start) / 2


def test_a_full_disk_costs_only_what_needs_it(recorders: Recorders, objects: list[Manifest]) -> None:
    """Requests and changes go on; large uploads get an error; all is well as soon as there is room."""
    gateway = Gateway(objects, access_log=False)
    gateway.state_dir.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(gateway.state_dir)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        gateway._end()
        pytest.skip("mounting a file system is not allowed here")
    with gateway:
        try:
            ballast = gateway.state_dir / "ballast"
            with trial(recorders, gateway) as load:
                with suppress(OSError), ballast.open("wb", buffering=0) as file:
                    while file.write(bytes(4096)) == 4096:
                        pass
                large = gateway.get(HOST, method="POST", body=bytes(900_000))
                gateway.folder.write("while.yaml", manifests.ingress("w", rule("w.example", path("/", "no"))))
                gateway.eventually("w.example", status=503)
                ballast.unlink()
                waiting.until(
                    lambda: gateway.get(HOST, method="POST", body=bytes(900_000)).status == 200, 5,
                    why="uploads again",
                )  # fmt: skip
            assert large.status in {500, 507}
            assert not load.failed
            assert gateway.terminate() == 0
        finally:
            subprocess.run(["umount", "-l", str(gateway.state_dir)], check=False)
