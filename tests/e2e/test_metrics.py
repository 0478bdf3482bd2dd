"""Metrics of a real gateway: what is counted, and that no count is lost with the processes that come and go."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import http, keeper, manifests, waiting
from harness.backends import Backends
from harness.gateway import Gateway
from harness.manifests import path, rule
from harness.services import Services
from tests.observe.metrics._parsing import Labels, parse, total

REQUESTS = "nginx_ingress_controller_requests"
DURATION = "nginx_ingress_controller_request_duration_seconds"

Samples = dict[str, dict[Labels, float]]


def scrape(gateway: Gateway) -> Samples:
    """Give what the exporter tells, once it does."""

    def told() -> Samples | None:
        found = parse(http.get(gateway.status_port, "/metrics").text)
        return found if "tidegate_controller_up" in found else None

    return waiting.until(told, 20, why="the exporter")


def until(gateway: Gateway, count: float, **labels: str) -> Samples:
    """Give the metrics once so many requests are counted."""
    found: list[float] = []

    def counted() -> Samples | None:
        samples = scrape(gateway)
        found.append(total(samples, REQUESTS, **labels))
        return samples if found[-1] == count else None

    return waiting.until(counted, 20, why=f"{count} requests counted; last {found[-1:]}")


def exporter(gateway: Gateway) -> int:
    """Give the exporter's pid, 0 if there is none."""
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes().split(b"\0") if folder.name.isdigit() else []
            if b"tidegate.observe.metrics" in command and str(gateway.state_dir).encode() in command:
                return int(folder.name)
    return 0


@pytest.fixture(scope="module")
def full(pool: Backends) -> Iterator[tuple[Gateway, Services]]:
    """Give a gateway that counts as ingress-nginx does, with what it serves."""
    services = Services(pool, "shop")
    objects = [
        *services.make("web"),
        *services.make("canary"),
        services.ingress("web", rule("a.example", path("/", "web"))),
        services.ingress("wild", rule("*.wild.example", path("/", "web"))),
        services.ingress("lost", rule("lost.example", path("/", "nothing"))),
        services.ingress("split", rule("split.example", path("/", "web"))),
        services.ingress(
            "split-canary",
            rule("split.example", path("/", "canary")),
            annotations={"canary": "true", "canary-by-header": "X-Try"},
        ),
    ]
    with Gateway(
        objects, args=["--enable-metrics"], env={"POD_NAME": "pod-1", "POD_NAMESPACE": "edge"}
    ) as gateway:
        yield gateway, services


def test_requests_carry_the_labels_and_buckets_of_ingress_nginx(full: tuple[Gateway, Services]) -> None:
    """Names, labels, limits of buckets; times and sizes are those of the requests."""
    gateway, _ = full
    for _ in range(7):
        assert gateway.get("a.example", "/x").status == 200
    samples = until(gateway, 7, host="a.example", path="/")
    (labels,) = [dict(found) for found in samples[REQUESTS] if ("host", "a.example") in found]
    assert labels == {
        "controller_namespace": "edge", "controller_class": "k8s.io/ingress-nginx", "controller_pod": "pod-1",
        "namespace": "shop", "ingress": "web", "service": "web", "path": "/", "host": "a.example",
        "method": "GET", "status": "200", "canary": "",
    }  # fmt: skip
    for name, limits in (
        ("request_duration_seconds", "0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf"),
        ("response_duration_seconds", "0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf"),
        ("header_duration_seconds", "0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf"),
        ("connect_duration_seconds", "0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf"),
        ("request_size", "10 20 30 40 50 60 70 80 90 100 +Inf"),
        ("response_size", "10 20 30 40 50 60 70 80 90 100 +Inf"),
        ("bytes_sent", "10 100 1000 10000 100000 1e+06 1e+07 +Inf"),
    ):
        full_name = f"nginx_ingress_controller_{name}"
        found = [dict(key)["le"] for key in samples[f"{full_name}_bucket"] if ("host", "a.example") in key]
        assert found == limits.split(), name
        assert total(samples, f"{full_name}_count", host="a.example") == 7
    sizes = [
        total(samples, f"nginx_ingress_controller_{n}_sum", host="a.example")
        for n in ("request_size", "bytes_sent")
    ]
    assert 7 * 30 < sizes[0] < 7 * 200 < sizes[1]


def test_what_clients_send_makes_no_labels(full: tuple[Gateway, Services]) -> None:
    """Methods are of a closed set, unknown hosts are one, wildcard hosts are their pattern, paths are the Ingress'."""
    gateway, _ = full
    for n in range(30):
        gateway.get(f"h{n}.wild.example", f"/{n}")
        gateway.get(f"unknown{n}.example", f"/{n}")
    for method in ("FOO", "BAR", "PROPFIND", "X" * 50):
        assert http.get(gateway.http_port, "/", host="lost.example", method=method).status == 503
    for junk in (
        b"\0\xff\x80 / HTTP/1.1\r\n\r\n",
        b'GET /"\\n HTTP/1.1\r\nHost: a"b\\\r\n\r\n',
        b"GET\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", gateway.http_port)) as client:
            client.sendall(junk)
            client.recv(1000)
    samples = until(gateway, 30, host="*.wild.example")
    assert total(samples, REQUESTS, host="_", status="404") == 31  # with one of the junk
    assert total(samples, REQUESTS, ingress="lost", method="other") == 4
    hosts = {dict(key)["host"] for key in samples[REQUESTS]}
    assert hosts <= {"a.example", "*.wild.example", "_", "lost.example", "split.example"}
    assert {dict(key)["method"] for key in samples[REQUESTS]} <= {"GET", "other"}


def test_a_canary_is_told(full: tuple[Gateway, Services]) -> None:
    """By the name of its backend, and empty for requests that the primary had."""
    gateway, services = full
    for word in ("always", "never", "never"):
        wanted = services.instance("canary" if word == "always" else "web")
        assert gateway.get("split.example", "/", headers=[("X-Try", word)]).backend == wanted
    samples = until(gateway, 3, host="split.example")
    assert total(samples, REQUESTS, host="split.example", canary="shop-canary-80") == 1
    assert total(samples, REQUESTS, host="split.example", canary="") == 2


def test_the_gateway_tells_how_it_is(full: tuple[Gateway, Services]) -> None:
    """The controller's, keeper's and nginx's own series, under ingress-nginx's names where it has them."""
    gateway, _ = full
    samples = scrape(gateway)
    assert [total(samples, f"tidegate_{n}") for n in ("controller_up", "keeper_up", "nginx_up", "ready")] == [
        1
    ] * 4
    prefix = "nginx_ingress_controller_"
    assert total(samples, f"{prefix}build_info") == 1
    assert total(samples, f"{prefix}config_last_reload_successful") == 1
    assert total(samples, f"{prefix}orphan_ingress", namespace="shop", ingress="lost", type="no-service") == 1
    assert total(samples, f"{prefix}nginx_process_num_procs") >= 2
    assert total(samples, f"{prefix}nginx_process_requests_total") > 0
    assert total(samples, "tidegate_entries", kind="hosts") == 4
    assert total(samples, "tidegate_findings", type="ServiceNotFound") == 1


def test_series_of_an_ingress_go_with_it(full: tuple[Gateway, Services]) -> None:
    """And come back with it."""
    gateway, services = full
    objects = [services.ingress("short", rule("short.example", path("/", "web")))]
    gateway.apply(*objects, name="short.yaml")
    gateway.get("short.example")
    until(gateway, 1, ingress="short")
    gateway.withdraw("short.yaml")
    until(gateway, 0, ingress="short")
    assert total(scrape(gateway), f"{DURATION}_count", ingress="short") == 0
    gateway.apply(*objects, name="short.yaml")
    until(gateway, 1, ingress="short")


def test_no_count_is_lost_with_a_process(pool: Backends) -> None:
    """Over killed workers, a reload, a hand-over, a killed master, a killed exporter and a killed keeper."""
    services = Services(pool, "lives")
    objects = [*services.make("web"), services.ingress("web", rule("a.example", path("/", "web")))]
    settings = manifests.config_map({"worker-processes": "4"})
    sent = 0
    with Gateway([*objects, settings]) as gateway:

        def ask() -> None:
            nonlocal sent
            for _ in range(20):
                sent += gateway.get("a.example").status == 200
            samples = until(gateway, sent, ingress="web")
            assert total(samples, f"{DURATION}_count", ingress="web") == sent

        ask()
        for worker in gateway.status()["workers"]:
            os.kill(worker, signal.SIGKILL)
        waiting.until(lambda: gateway.get("a.example", "/").status == 200, 10)
        sent += 1
        ask()
        os.kill(exporter(gateway), signal.SIGKILL)
        ask()
        keeper.ask(gateway.state_dir / "keeper.sock", "handover")
        ask()
        waiting.until(lambda: gateway.status()["retiring"] == 0, 20)
        waiting.until((gateway.state_dir / "metrics.json").exists, 5, why="what ended instances counted")
        os.kill(exporter(gateway), signal.SIGKILL)
        ask()
        os.kill(int(gateway.status()["keeper"]), signal.SIGKILL)
        waiting.until(lambda: not exporter(gateway), 10, why="the end of the exporter with its keeper")
