"""The store in nginx's shared memory: deltas are in force everywhere or nowhere."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from harness import http
from harness.backends import Backends
from harness.dataplane import DataPlane, simple
from tidegate.model import Backend, Delta, Endpoint, Entry, Host, PathKind, Route, Rule, encode

HOST = "a.example.com"


@pytest.fixture(scope="module")
def backends() -> Iterator[Backends]:
    with Backends() as pool:
        yield pool


def _redirecting(host: str, target: str) -> dict[str, Entry]:
    route = Route("ns", host, path="/", settings={"redirect": [301, target]})
    return {f"h/main/{host}": Host((Rule(PathKind.PREFIX, "/", f"ns/{host}/0"),)), f"r/ns/{host}/0": route}


def _location(plane: DataPlane, host: str) -> str | None:
    return http.get(plane.http, "/", host=host).get("Location")


def _from_every_worker(plane: DataPlane, host: str) -> set[str | None]:
    # New connections spread over the workers; forty reach both but for one chance in 2^39.
    return {_location(plane, host) for _ in range(40)}


def test_an_acknowledged_delta_is_in_force_on_every_worker() -> None:
    """Right after the acknowledgement no worker answers from what was before."""
    with DataPlane(_redirecting(HOST, "https://0.example.com/")) as plane:
        for n in range(1, 15):
            plane.push({f"r/ns/{HOST}/0": _redirecting(HOST, f"https://{n}.example.com/")[f"r/ns/{HOST}/0"]})
            assert _from_every_worker(plane, HOST) == {f"https://{n}.example.com/"}


def test_a_delta_on_another_base_is_a_conflict_and_changes_nothing() -> None:
    """The answer names the version in force."""
    with DataPlane(_redirecting(HOST, "https://0.example.com/")) as plane:
        status, answer = plane.send(_redirecting(HOST, "https://1.example.com/"), base=7)
        assert (status, answer) == (409, {"error": "conflict", "version": 1})
        assert _location(plane, HOST) == "https://0.example.com/"


@pytest.mark.parametrize("cut", [0, 1, 5, 40, 80, 100, 120])
def test_a_delta_that_was_cut_is_malformed(cut: int) -> None:
    """Nothing of it is in force."""
    whole = Delta(2, 1, 0.0, {k: encode(v) for k, v in _redirecting(HOST, "https://1.example.com/").items()})
    with DataPlane(_redirecting(HOST, "https://0.example.com/"), workers=1) as plane:
        status, answer = plane.ask("POST", "/delta", whole.to_bytes()[:-1][:cut] if cut else b"")
        assert (status, answer["error"]) == (400, "malformed")
        assert _location(plane, HOST) == "https://0.example.com/"


def test_a_deleted_host_is_unknown_at_once() -> None:
    """Its requests are answered 404."""
    with DataPlane(_redirecting(HOST, "https://0.example.com/")) as plane:
        assert _location(plane, HOST)
        plane.push({f"h/main/{HOST}": None, f"r/ns/{HOST}/0": None})
        assert {http.get(plane.http, "/", host=HOST).status for _ in range(20)} == {404}


def test_a_full_store_refuses_a_delta_at_whatever_record_it_is_full() -> None:
    """Whichever entry does not fit, nothing of the delta is in force, and what was in force stays."""
    before = {**_redirecting("old.example.com", "https://old.example.com/")}
    with DataPlane(before, workers=1, store_bytes=256 * 1024) as plane:
        refused = 0
        for position in range(12):
            changes: dict[str, Entry | None] = {
                **_redirecting("old.example.com", "https://new.example.com/"),
                **{f"r/ns/filler{i}/0": Route("ns", f"filler{i}") for i in range(12)},
            }
            key = list(changes)[position]
            changes[key] = Route("ns", "giant", settings={"upstream_vhost": ["x" * 400_000]})
            status, answer = plane.send(changes)
            assert status == 507, answer
            assert answer == {"error": "no memory", "key": key}
            refused += 1
            assert _location(plane, "old.example.com") == "https://old.example.com/"
        assert refused == 12
        plane.push(_redirecting("old.example.com", "https://new.example.com/"))
        assert _location(plane, "old.example.com") == "https://new.example.com/"


def test_refused_deltas_leave_no_memory_behind() -> None:
    """The space is the same after many of them."""
    with DataPlane(_redirecting(HOST, "https://0.example.com/"), workers=1, store_bytes=256 * 1024) as plane:
        free = plane.ask("GET", "/status")[1]["free"]
        giant = Route("ns", "giant", settings={"upstream_vhost": ["x" * 400_000]})
        small = {f"r/ns/filler{i}/0": Route("ns", f"filler{i}", path="/" + "y" * 500) for i in range(40)}
        for _ in range(30):
            assert plane.send({**small, "r/ns/giant/0": giant})[0] == 507
        assert plane.ask("GET", "/status")[1]["free"] >= free - 2 * 4096


def test_random_deltas_end_as_the_same_as_their_sum() -> None:
    """Every host answers as the last delta that touched it says; those deleted are unknown."""
    chance = random.Random(7)
    wanted: dict[str, str] = {}
    with DataPlane(workers=2) as plane:
        for n in range(150):
            changes: dict[str, Entry | None] = {}
            for _ in range(chance.randrange(1, 6)):
                host = f"h{chance.randrange(12)}.example.com"
                if host in wanted and chance.random() < 0.3:
                    changes |= dict.fromkeys(_redirecting(host, ""))
                    del wanted[host]
                else:
                    wanted[host] = f"https://{n}.example.com/"
                    changes |= _redirecting(host, wanted[host])
            plane.push(changes)
            for host in {key.removeprefix("h/main/") for key in changes if key.startswith("h/")}:
                assert _location(plane, host) == wanted.get(host)
        for i in range(12):
            host = f"h{i}.example.com"
            assert _from_every_worker(plane, host) == {wanted.get(host)}
        assert "[error]" not in plane.errors


def test_a_worker_that_lags_beyond_the_log_forgets_everything(backends: Backends) -> None:
    """An idle worker still answers right after more deltas than the store remembers."""
    one, two = backends.group("lag", 2)
    with DataPlane(simple(HOST, "s", [(one.address, one.port)]), workers=1) as plane:
        assert http.get(plane.http, "/", host=HOST).backend == one.id
        header = Delta(plane.version + 5000, plane.version, 0.0, {}).to_bytes()
        status, answer = plane.ask("POST", "/delta", header)
        assert status == 200
        plane.version = answer["version"]
        plane.push({"b/ns/s/80": Backend((Endpoint(two.address, two.port),))})
        assert http.get(plane.http, "/", host=HOST).backend == two.id


def test_a_new_worker_serves_what_is_in_force(backends: Backends) -> None:
    """A worker that replaces a killed one knows all of it at its first request."""
    import os
    import signal

    from harness import waiting

    (one,) = backends.group("respawn", 1)
    with DataPlane(simple(HOST, "s", [(one.address, one.port)]), workers=1) as plane:
        plane.push(simple("later.example.com", "s", [(one.address, one.port)]))
        (old,) = plane.workers
        os.kill(old, signal.SIGKILL)
        waiting.until(lambda: plane.workers not in ([], [old]), 10)
        for host in (HOST, "later.example.com"):
            assert http.get(plane.http, "/", host=host).status == 200


def test_what_is_in_force_can_be_read_back_whole() -> None:
    """As one delta, tombstones and replaced values left out."""
    with DataPlane(_redirecting(HOST, "https://0.example.com/"), workers=1) as plane:
        plane.push(_redirecting("b.example.com", "https://1.example.com/"))
        plane.push({"h/main/b.example.com": None, **_redirecting(HOST, "https://2.example.com/")})
        whole = Delta.from_bytes(plane.raw("GET", "/entries")[1])
        kept = {
            **_redirecting(HOST, "https://2.example.com/"),
            **_redirecting("b.example.com", "https://1.example.com/"),
        }
        del kept["h/main/b.example.com"]
        assert whole.version == plane.version
        assert {k: v for k, v in whole.changes.items() if k[0] in "hr"} == {
            k: encode(v) for k, v in kept.items()
        }
