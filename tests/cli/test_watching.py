"""`tidegate journal`, `why` and `top` on a running gateway."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from harness import programs, waiting
from harness.backends import Backends
from harness.gateway import Gateway
from harness.manifests import path, rule
from harness.services import Services

HOST = "watched.example"


@pytest.fixture(scope="module")
def pool() -> Iterator[Backends]:
    with Backends() as started:
        yield started


@pytest.fixture(scope="module")
def gateway(pool: Backends) -> Iterator[Gateway]:
    services = Services(pool, "watched")
    with Gateway() as started:
        web = services.make("web", count=2)
        started.apply(*web, services.ingress("cart", rule(HOST, path("/", "web"))), name="a.yaml")
        yield started


def ask(gateway: Gateway, *words: str, code: int = 0) -> Any:
    done = gateway.run(*words, "--output", "json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def request(gateway: Gateway, name: str, where: str = "/", host: str = HOST) -> dict[str, Any]:
    """Send a request and give what `why` says of it."""
    gateway.get(host, where, headers=[("X-Request-ID", name)])
    waiting.until(lambda: f'"{name}"' in gateway.access_log.read_text(), 10)
    return dict(ask(gateway, "why", name)["request"])


def test_the_journal_tells_what_changed_by_which_object(gateway: Gateway) -> None:
    told = ask(gateway, "journal", "watched/cart")
    last = told["changes"][-1]
    assert any("Ingress watched/cart" in cause for cause in last["causes"])
    assert f"h/main/{HOST}" in last["entries"]
    assert last["in_force"]
    assert told["version"] >= last["version"]
    assert set(told["workers"]) == set(gateway.workers)
    assert ask(gateway, "journal", "no/such")["changes"] == []
    assert "Ingress watched/cart" in gateway.run("journal").stdout


def test_why_tells_route_tries_and_the_change_before(gateway: Gateway) -> None:
    story = request(gateway, "why-1")
    assert story["line"]["ingress"] == "cart"
    assert story["line"]["layer"] == "upstream"
    (one,) = story["tries"]
    assert one["status"] == 200
    assert one["endpoint"].startswith("127.0.1.")
    changed = {found["what"]: found for found in story["preceding"]}
    assert {"route", "backend", "host"} <= changed.keys()
    assert any("Ingress watched/cart" in cause for cause in changed["route"]["causes"])
    assert changed["route"]["version"] <= story["version"]
    shown = gateway.run("why", "why-1").stdout
    assert "a backend answered" in shown
    assert "route changed" in shown


def test_why_tells_each_try(gateway: Gateway) -> None:
    story = request(gateway, "why-2", "/?reset=1")
    assert story["line"]["layer"] == "upstream failed"
    assert len(story["tries"]) >= 2
    assert all(each["header"] is None and each["connect"] is not None for each in story["tries"])
    assert len({each["endpoint"] for each in story["tries"]}) == 2


def test_why_tells_of_a_request_without_a_route(gateway: Gateway) -> None:
    story = request(gateway, "why-3", host="nobody.example")
    assert (story["line"]["layer"], story["tries"]) == ("no route", [])


def test_why_knows_only_what_the_log_has(gateway: Gateway) -> None:
    """A name that stands in another line's URI is not that line's."""
    request(gateway, "why-4", '/?x="request_id":"why-5"')
    assert ask(gateway, "why", "why-5", code=1) == {"request": None}


def test_top_gives_one_look_where_there_is_no_terminal(gateway: Gateway) -> None:
    """Routes by rate with errors and times, endpoints, workers."""

    def look() -> dict[str, Any] | None:
        end = threading.Event()

        def load() -> None:
            while not end.is_set():
                gateway.get(HOST, "/")
                gateway.get(HOST, "/?status=500")

        client = threading.Thread(target=load)
        client.start()
        try:
            seen = ask(gateway, "top", "--interval", "2s")
        finally:
            end.set()
            client.join()
        return seen if seen["endpoints"] else None

    seen = waiting.until(look, 30)
    route = next(row for row in seen["routes"] if row["route"].startswith("watched/cart/"))
    assert route["rate"] > 0
    assert 0.2 < route["errors"] < 0.8
    assert route["p99"] is not None
    assert {row["backend"] for row in seen["endpoints"]} == {"watched/web/80"}
    assert sum(row["failed"] for row in seen["endpoints"]) > 0
    assert {row["pid"] for row in seen["workers"]} == set(gateway.workers)
    assert "requests/s" in gateway.run("top", "--interval", "300ms").stdout


def test_a_gateway_that_is_not_there(gateway: Gateway, tmp_path: Any) -> None:
    """Top has nothing to look at; the journal of an empty folder is empty."""
    words = ["--state-dir", str(tmp_path)]

    def code(*command: str) -> int:
        return subprocess.run(
            [*programs.tidegate(), *command, *words], capture_output=True, check=False
        ).returncode

    assert (code("top"), code("why", "x"), code("journal")) == (3, 3, 0)
