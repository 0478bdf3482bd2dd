"""Starting, dying, being adopted, draining: what a gateway does when its parts come and go."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from harness import http, manifests, waiting
from harness.backends import Backends
from harness.gateway import Gateway
from harness.ledger import Call, Ledger
from harness.manifests import Manifest, path, rule
from harness.services import Services

HOST = "life.example"


@pytest.fixture
def gateway(pool: Backends) -> Iterator[Gateway]:
    services = Services(pool, "life")
    objects = [*services.make("web"), services.ingress("web", rule(HOST, path("/", "web")))]
    with Gateway(objects) as started:
        yield started


def test_ready_means_that_everything_in_the_folder_is_served(pool: Backends, gateway: Gateway) -> None:
    """From the first answer on; the status port says so, healthily, and with metrics."""
    assert gateway.get(HOST).status == 200
    assert http.get(gateway.status_port, "/healthz").status == 200
    assert gateway.metrics()
    assert http.get(gateway.status_port, "/nothing-here").status == 404
    assert http.get(gateway.status_port, "/readyz", method="DELETE").status in {200, 405}
    assert gateway.get(HOST).status == 200


def test_a_killed_controller_is_not_missed_and_the_next_one_adopts(gateway: Gateway) -> None:
    """No reload, no other worker, no request lost; changes made meanwhile come into force."""
    before = gateway.status()
    with Ledger(gateway.http_port, [Call(HOST)], clients=8, rate=200) as ledger:
        gateway.kill()
        assert http.get(gateway.status_port, "/readyz").status == 200
        gateway.folder.write("marker.yaml", _host("meanwhile.example"))
        gateway.start()
        gateway.eventually("meanwhile.example", status=200)
    after = gateway.status()
    assert ledger.outcomes.bad == 0, str(ledger.outcomes)
    assert (after["workers"], after["master"]) == (before["workers"], before["master"])
    assert after["reloads"] == before["reloads"]


def test_a_killed_nginx_is_started_again_from_the_snapshot_without_a_controller(gateway: Gateway) -> None:
    """With all that was in force."""
    gateway.apply(_host("late.example"))
    gateway.kill()
    master, workers = gateway.status()["master"], gateway.workers
    for pid in (master, *workers):
        os.kill(pid, signal.SIGKILL)
    gateway.eventually("late.example", status=200)
    assert gateway.status()["master"] != master
    assert http.get(gateway.status_port, "/readyz").status == 200


def test_everything_killed_starts_again(gateway: Gateway) -> None:
    """Controller, keeper and nginx at once, as when the machine loses power."""
    gateway.apply(_host("late.example"))
    for pid in gateway.processes():
        os.kill(pid, signal.SIGKILL)
    assert gateway.process is not None
    gateway.process.wait()
    waiting.until(lambda: not gateway.processes(), 5)
    gateway.start()
    assert gateway.get("late.example").status == 200


def test_a_second_controller_on_the_same_state_is_refused(gateway: Gateway) -> None:
    """The first one goes on."""
    second = gateway.spawn()
    assert second.wait(20) == 3
    assert gateway.get(HOST).status == 200
    gateway.apply(_host("still.example"))
    assert gateway.get("still.example").status == 200


def test_sigterm_drains(gateway: Gateway) -> None:
    """A request in flight finishes, health fails at once, and the exit code is 0; nothing is left running."""
    answers: list[int] = []
    slow = threading.Thread(
        target=lambda: answers.append(http.get(gateway.http_port, "/?delay=1", host=HOST).status)
    )
    slow.start()
    time.sleep(0.3)
    assert gateway.terminate() == 0
    slow.join()
    assert answers == [200]
    waiting.until(lambda: not gateway.processes(), 10, why="all processes gone")
    with pytest.raises(OSError, match="refused"):
        gateway.get(HOST)


def test_health_fails_while_the_grace_period_is_waited(pool: Backends) -> None:
    """So that others stop to send; those that still do are served."""
    services = Services(pool, "grace")
    objects = [*services.make("web"), services.ingress("web", rule(HOST, path("/", "web")))]
    with Gateway(objects, args=["--shutdown-grace-period", "3"]) as gateway:
        assert gateway.process is not None
        gateway.process.terminate()
        waiting.until(lambda: http.get(gateway.status_port, "/readyz").status == 503, 1.5, why="not ready")
        assert http.get(gateway.status_port, "/healthz").status == 503
        assert gateway.get(HOST).status == 200
        waiting.until(lambda: _closes(gateway), 1.5, why="connections closed after their answer")
        assert gateway.process.wait(15) == 0


def test_stop_ends_controller_and_data_plane(gateway: Gateway) -> None:
    """By one command."""
    done = gateway.run("stop")
    assert done.returncode == 0, done.stderr
    waiting.until(lambda: not gateway.processes(), 10, why="all processes gone")


def _closes(gateway: Gateway) -> bool:
    answer = gateway.get(HOST)
    return answer.status == 200 and (answer.get("Connection") or "").lower() == "close"


def _host(name: str) -> Manifest:
    return manifests.ingress(name.replace(".", "-"), rule(name, path("/", "web")), namespace="life")
