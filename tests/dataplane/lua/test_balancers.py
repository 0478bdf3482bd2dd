"""How one worker picks an endpoint, by the data of its backend alone."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from harness import crowd, http
from harness.backends import Backend as Instance
from harness.backends import Backends
from harness.dataplane import DataPlane, settings, simple
from tidegate.model import Affinity, Backend, Canary, Endpoint, HashBy


@pytest.fixture(scope="module")
def backends() -> Iterator[Backends]:
    with Backends() as pool:
        yield pool


@pytest.fixture(scope="module")
def plane() -> Iterator[DataPlane]:
    with DataPlane(workers=1) as running:
        yield running


def serve(plane: DataPlane, name: str, instances: list[Instance], **backend: object) -> str:
    """Give the host that leads to these instances."""
    host = f"{name}.example.com"
    endpoints = tuple(Endpoint(b.address, b.port) for b in instances)
    found = Backend(endpoints, **backend)  # type: ignore[arg-type]
    plane.push({**simple(host, name, []), f"b/ns/{name}/80": found})
    return host


def ask(plane: DataPlane, host: str, count: int, path: str = "/") -> Counter[str]:
    return Counter(str(http.get(plane.http, path, host=host).backend) for _ in range(count))


def test_an_endpoint_that_is_busy_is_passed_over(plane: DataPlane, backends: Backends) -> None:
    """Least pending: while one request hangs at an endpoint, no other goes there; idle ones take turns."""
    instances = backends.group("busy", 3)
    host = serve(plane, "busy", instances, algorithm="least_pending")
    assert ask(plane, host, 9) == {b.id: 3 for b in instances}
    with http.Connection(plane.http) as waiting:
        waiting.send(b"GET /?delay=1 HTTP/1.1\r\nHost: " + host.encode() + b"\r\n\r\n")
        others = ask(plane, host, 10)
        hanging = waiting.receive().backend
    assert hanging not in others
    assert sorted(others.values()) == [5, 5]
    assert ask(plane, host, 9) == {b.id: 3 for b in instances}


def test_a_count_survives_changes_and_clients_that_leave(plane: DataPlane, backends: Backends) -> None:
    """Requests on their way still count when endpoints change, and no more once their client is gone."""
    instances = backends.group("count", 3)
    host = serve(plane, "count", instances, algorithm="least_pending")
    with http.Connection(plane.http) as leaving:
        leaving.send(b"GET /?delay=9 HTTP/1.1\r\nHost: " + host.encode() + b"\r\n\r\n")
        first = next(iter({b.id for b in instances} - set(ask(plane, host, 4))))
        serve(plane, "count", instances[::-1], algorithm="least_pending")
        assert first not in ask(plane, host, 8)
    assert first in ask(plane, host, 12)


def test_the_global_settings_choose_where_a_backend_does_not(plane: DataPlane, backends: Backends) -> None:
    """At once, for backends that are decoded already; one that says round robin stays with it."""
    fast, slow = backends.group("global", 2)
    host = serve(plane, "global", [fast, slow])
    fixed = serve(plane, "fixed", [fast, slow], algorithm="round_robin")
    assert ask(plane, host, 4) == {fast.id: 2, slow.id: 2}
    plane.push({"g": settings(load_balance="ewma")})
    slow.delay = 0.1
    assert ask(plane, host, 20)[slow.id] <= 3
    assert ask(plane, fixed, 4) == {fast.id: 2, slow.id: 2}
    plane.push({"g": settings()})
    slow.delay = 0
    assert ask(plane, host, 4) == {fast.id: 2, slow.id: 2}


def test_ewma_learns_again(plane: DataPlane, backends: Backends) -> None:
    """A new endpoint starts at the mean of the others and takes part at once."""
    instances = backends.group("learn", 4)
    host = serve(plane, "learn", instances[:3], algorithm="ewma")
    instances[0].delay = 0.2
    ask(plane, host, 30)
    host = serve(plane, "learn", instances, algorithm="ewma")
    found = ask(plane, host, 60)
    assert found[instances[0].id] <= 6
    assert found[instances[3].id] >= 5


def test_an_empty_key_goes_round(plane: DataPlane, backends: Backends) -> None:
    """Requests without what is hashed do not all meet at one endpoint."""
    instances = backends.group("key", 3)
    host = serve(plane, "key", instances, algorithm="hash", hash_by=HashBy(("", "arg_user", "")))
    assert ask(plane, host, 9) == {b.id: 3 for b in instances}
    assert len(ask(plane, host, 9, "/?user=ann")) == 1


def test_the_ring_is_fair(plane: DataPlane, backends: Backends) -> None:
    """Of 1,000 keys no endpoint of ten has less than half or more than double its share."""
    instances = backends.group("fair", 10)
    host = serve(plane, "fair", instances, algorithm="hash", hash_by=HashBy(("", "request_uri", "")))
    found: Counter[str] = Counter()
    with http.Connection(plane.http) as connection:
        for n in range(1000):
            found[str(connection.ask(f"/{n}", host=host).backend)] += 1
    assert all(50 <= found[b.id] <= 200 for b in instances), found


@pytest.mark.parametrize("algorithm", ["ewma", "least_pending", "hash"])
def test_all_endpoints_dead_is_502(plane: DataPlane, backends: Backends, algorithm: str) -> None:
    """Each is tried, and the request ends."""
    instances = backends.group("dead", 2)
    host = serve(plane, "dead", instances, algorithm=algorithm, hash_by=HashBy(("x",)))
    for instance in instances:
        instance.refuse()
    assert http.get(plane.http, "/", host=host).status == 502
    instances[0].accept()
    assert ask(plane, host, 6) == {instances[0].id: 6}


def test_endpoints_may_change_under_load(backends: Backends) -> None:
    """Whatever the algorithm: 4 workers, dozens of changes, every request is answered, and nothing is logged."""
    instances = backends.group("churn", 8)
    kinds: dict[str, dict[str, Any]] = {
        "robin": {},
        "ewma": {"algorithm": "ewma"},
        "pending": {"algorithm": "least_pending"},
        "hash": {"algorithm": "hash", "hash_by": HashBy(("", "request_id", ""))},
        "subset": {"algorithm": "hash", "hash_by": HashBy(("", "request_id", ""), 3)},
        "balanced": {"affinity": Affinity("sid"), "canary": Canary("ns/ewma/80", weight=30)},
        "persistent": {"affinity": Affinity("sid", mode="persistent")},
    }
    with DataPlane(workers=4) as plane:
        for name, kind in kinds.items():
            serve(plane, name, instances, **kind)
        stop = threading.Event()

        def change() -> None:
            dice = random.Random(1)
            while not stop.wait(0.002):
                name = dice.choice(sorted(kinds))
                serve(plane, name, dice.sample(instances, dice.randint(1, 8)), **kinds[name])

        thread = threading.Thread(target=change)
        thread.start()
        answered = {name: crowd.ask(plane.http, f"{name}.example.com", 300) for name in kinds}
        stop.set()
        thread.join()
        assert plane.version > 30
        assert "[error]" not in plane.errors
    ids = {b.id for b in instances}
    assert all(found.keys() <= ids for found in answered.values()), answered


def test_requests_at_once_are_told_apart(plane: DataPlane, backends: Backends) -> None:
    """Many requests of one worker on their way end with a count of zero: idle endpoints take turns again."""
    instances = backends.group("once", 4)
    host = serve(plane, "once", instances, algorithm="least_pending")

    def run() -> None:
        with http.Connection(plane.http) as connection:
            for n in range(20):
                connection.ask("/?delay=0.01" if n % 3 else "/?status=500", host=host)

    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ask(plane, host, 12) == {b.id: 3 for b in instances}
