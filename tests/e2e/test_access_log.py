"""The access log of a real gateway: one strict line for each request, why it was answered as it was, and nothing blocks."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pytest

from harness import certs, hostile, waiting
from harness.backends import Backends
from harness.gateway import Gateway
from harness.manifests import config_map, path, rule
from harness.services import Services

HOSTILE = 1_000
SEED = 20_251


def strict(line: bytes) -> dict[str, Any]:
    """Read a line as the strictest reader would: good UTF-8, no doubled names, no NaN."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(found)) == len(found), found
        return dict(found)

    def refuse(word: str) -> NoReturn:
        raise ValueError(word)

    made = json.loads(line.decode(), object_pairs_hook=pairs, parse_constant=refuse)
    assert isinstance(made, dict)
    return made


def lines(gateway: Gateway) -> list[dict[str, Any]]:
    """Give all lines there are."""
    found = gateway.access_log.read_bytes() if gateway.access_log.exists() else b""
    return [strict(line) for line in found.splitlines(keepends=False)]


def line_of(gateway: Gateway, request: str) -> dict[str, Any]:
    """Give the line of a request by its id."""

    def find() -> dict[str, Any] | None:
        return next((line for line in lines(gateway) if line.get("request_id") == request), None)

    return waiting.until(find, 10, 0.02, why=f"the line of {request}")


def settled(gateway: Gateway) -> int:
    """Give the number of lines once those of earlier requests are all there."""
    name = f"settled-{time.monotonic()}"
    gateway.get("x.example", headers=[("X-Request-ID", name)])
    line_of(gateway, name)
    time.sleep(0.6)
    return len(lines(gateway))


Asked = Callable[..., dict[str, Any]]


@pytest.fixture
def asked(gateway: Gateway, host: str) -> Asked:
    """Send a request and give its line."""
    numbers = iter(range(1000))

    def ask(where: str = "/", *, to: str | None = host, **options: Any) -> dict[str, Any]:
        name = f"{host}-{next(numbers)}"
        gateway.get(to, where, headers=[("X-Request-ID", name)], **options)
        return line_of(gateway, name)

    return ask


# --- one strict line each ---------------------------------------------------------------------------------------------


def test_hostile_requests_leave_one_strict_line_each(pool: Backends) -> None:
    """Raw bytes in method, URI, headers, Host and server name."""
    with Gateway() as gateway:
        services = Services(pool, "hostile")
        gateway.apply(*services.make("web"), services.ingress("web", rule("a.example", path("/", "web"))))
        before = settled(gateway)
        chance = random.Random(SEED)
        requests = [hostile.request(chance, b"a.example") for _ in range(HOSTILE)]
        with ThreadPoolExecutor(8) as several:
            answers = list(several.map(lambda data: hostile.send(gateway.http_port, data), requests))
        plain = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
        for name in (b"\xff\xfe.example", b'a"b\\.example'):
            hostile.send_with_sni(gateway.https_port, name, plain)
        assert sum(answer.startswith(b"HTTP/1.1 200") for answer in answers) > HOSTILE / 10
        waiting.until(lambda: len(lines(gateway)) >= before + HOSTILE, 20, 0.1)
        time.sleep(1)
        found = lines(gateway)[before:]
        over_tls = [line for line in found if line["tls"]]
        assert len(found) - len(over_tls) == HOSTILE
        assert {line["schema"] for line in found} == {"tidegate.access/1"}
        assert any("\\x" in line["uri"] for line in found)
        assert "[alert]" not in gateway.nginx_logs()


# --- why ----------------------------------------------------------------------------------------------------------------


def test_the_line_of_an_ordinary_request(
    gateway: Gateway, services: Services, host: str, asked: Asked
) -> None:
    gateway.apply(*services.make("web"), services.ingress("cart", rule(host, path("/c", "web"))))
    line = asked("/c/d?e=f")
    names = {key: line[key] for key in ("namespace", "ingress", "service", "service_port", "layer", "status")}
    assert names == {
        "namespace": services.namespace,
        "ingress": "cart",
        "service": "web",
        "service_port": "80",
        "layer": "upstream",
        "status": 200,
    }
    assert line["route"].startswith(f"{services.namespace}/cart/")
    assert line["uri"] == "/c/d?e=f"
    assert line["upstream_status"] == "200"
    assert line["upstream"].startswith("127.0.")


def test_the_layer_that_answered(gateway: Gateway, services: Services, host: str, asked: Asked) -> None:
    """One request for each layer."""

    def other(name: str, service: str = "web", **annotations: str) -> Any:
        named = {key.replace("_", "-"): value for key, value in annotations.items()}
        return services.ingress(name, rule(f"{name}.{host}", path("/", service)), annotations=named)

    gateway.apply(
        *services.make("web", "dead"),
        services.ingress("web", rule(host, path("/", "web"))),
        other("moved", permanent_redirect="https://x.example/"),
        other("closed", allowlist_source_range="10.0.0.0/8"),
        other("broken", allowlist_source_range="nonsense"),
        other("empty", service="nowhere"),
        other("dead", service="dead", proxy_next_upstream="off"),
        other("slow", proxy_read_timeout="1", proxy_next_upstream="off"),
    )
    for backend in services._pool._all:
        if backend.id == services.instance("dead"):
            backend.refuse()
    assert asked("/?status=500")["layer"] == "upstream"
    assert asked("/?status=502")["layer"] == "upstream"
    assert asked("/?reset=1")["layer"] == "upstream failed"
    assert asked("/", to=f"no.{host}")["layer"] == "no route"
    found = {
        name: asked("/?delay=3" if name == "slow" else "/", to=f"{name}.{host}")["layer"]
        for name in ("moved", "closed", "broken", "empty", "dead", "slow")
    }
    assert found == {
        "moved": "redirect",
        "closed": "access",
        "broken": "deny",
        "empty": "no endpoint",
        "dead": "connect",
        "slow": "timeout",
    }


def test_a_client_that_goes_away(gateway: Gateway, services: Services, host: str) -> None:
    gateway.apply(*services.make("web"), services.ingress("web", rule(host, path("/", "web"))))
    with socket.create_connection(("127.0.0.1", gateway.http_port)) as client:
        client.sendall(
            f"GET /?delay=2 HTTP/1.1\r\nHost: {host}\r\nX-Request-ID: gone-{host}\r\n\r\n".encode()
        )
        time.sleep(0.3)
    line = line_of(gateway, f"gone-{host}")
    assert (line["layer"], line["status"]) == ("client abort", 499)


def test_tls_stands_in_the_line(gateway: Gateway, services: Services, host: str) -> None:
    gateway.apply(*services.make("web"), services.ingress("web", rule(host, path("/", "web"))))
    gateway.get_tls(host, tls=certs.credulous(), headers=[("X-Request-ID", f"tls-{host}")])
    line = line_of(gateway, f"tls-{host}")
    assert (line["tls"], line["scheme"]) == ("TLSv1.3", "https")
    assert line["cipher"].startswith("TLS_")


# --- what is left out ---------------------------------------------------------------------------------------------------


def test_an_ingress_may_keep_out_of_the_log(
    gateway: Gateway, services: Services, host: str, asked: Asked
) -> None:
    """At once, both ways, and nothing counts as lost."""
    web = services.make("web")

    def serve(value: str) -> None:
        gateway.apply(
            *web,
            services.ingress("web", rule(host, path("/", "web")), annotations={"enable-access-log": value}),
            name="web.yaml",
        )

    serve("false")
    reloads = gateway.reloads
    gateway.get(host, headers=[("X-Request-ID", f"quiet-{host}")])
    serve("true")
    assert asked()["status"] == 200
    assert not any(line.get("request_id") == f"quiet-{host}" for line in lines(gateway))
    assert gateway.reloads == reloads


def test_the_config_map_shapes_the_log(pool: Backends) -> None:
    """A format of one's own, URLs that are left out, requests without a rule left out."""
    config = {
        "log-format-upstream": "$namespace/$ingress_name/$service_name:$service_port $location_path "
        '[$proxy_upstream_name] "$request_uri" $status $req_id $literal_dollar',
        "skip-access-log-urls": "/health,~^/metrics",
        "enable-access-log-for-default-backend": "false",
    }
    with Gateway([config_map(config)]) as gateway:
        services = Services(pool, "shaped")
        gateway.apply(*services.make("web"), services.ingress("web", rule("a.example", path("/", "web"))))
        for where in ("/health", "/health?x", "/metrics/all", "/other"):
            gateway.get("a.example", where, headers=[("X-Request-ID", "i")])
        gateway.get("unknown.example", "/")
        wanted = [
            'shaped/web/web:80 / [shaped-web-80] "/health?x" 200 i $',
            'shaped/web/web:80 / [shaped-web-80] "/other" 200 i $',
        ]

        def kept() -> list[str]:
            # Each worker has a buffer of its own, so the order is not that of the requests.
            return sorted(x for x in gateway.access_log.read_text().splitlines() if "mark-" not in x)

        waiting.until(lambda: len(kept()) >= 2, 10)
        time.sleep(4.5)
        assert kept() == wanted
        assert stats(gateway)["lost"] == 0


# --- never in the way ---------------------------------------------------------------------------------------------------


def stats(gateway: Gateway) -> dict[str, Any]:
    return dict(json.loads((gateway.state_dir / "access-log.json").read_text()))


@pytest.fixture(scope="module")
def loaded(pool: Backends) -> Iterator[Gateway]:
    with Gateway() as gateway:
        services = Services(pool, "loaded")
        gateway.apply(*services.make("web"), services.ingress("web", rule("a.example", path("/", "web"))))
        waiting.until((gateway.state_dir / "access-log.json").exists, 10)
        yield gateway


def storm(gateway: Gateway, count: int) -> None:
    """Send requests with long lines, over kept connections; every one must be answered 200."""
    request = b"GET /" + b"x" * 900 + b" HTTP/1.1\r\nHost: a.example\r\n\r\n"

    def one(share: int) -> int:
        good = 0
        with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=10) as client:
            stream = client.makefile("rb")
            for _ in range(share):
                client.sendall(request)
                good += b" 200 " in stream.readline()
                length = 0
                while (header := stream.readline()) != b"\r\n":
                    if header.lower().startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                stream.read(length)
        return good

    with ThreadPoolExecutor(4) as several:
        assert sum(several.map(one, [count // 4] * 4)) == count


def test_a_frozen_writer_costs_lines_that_are_counted_and_no_request(loaded: Gateway) -> None:
    """More than the pipe holds, every request answered; what was lost is told once the writer goes on."""
    count = 3_000
    before = settled(loaded)
    pid = stats(loaded)["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        storm(loaded, count)
    finally:
        os.kill(pid, signal.SIGCONT)

    def is_accounted() -> bool:
        there = [line for line in lines(loaded)[before:] if "event" not in line]
        lost = int(stats(loaded)["lost"])
        return lost > 0 and len(there) + lost == count

    waiting.until(is_accounted, 20, 0.2, why="lines and losses together")
    told = [line["lines"] for line in lines(loaded) if line.get("event") == "lines lost"]
    assert sum(told) == stats(loaded)["lost"]
    lost = 'tidegate_access_log_lines_total{what="lost"}'
    waiting.until(lambda: loaded.metrics()[lost] == stats(loaded)["lost"], 5)


def test_a_file_that_is_moved_again_and_again_loses_no_line(loaded: Gateway) -> None:
    """Without any signal: every line is in one of the files, once."""
    settled(loaded)
    before, count = stats(loaded)["lost"], 1_000
    loaded.access_log.rename(loaded.access_log.with_name("before.log"))
    with ThreadPoolExecutor(1) as other:
        done = other.submit(storm, loaded, count)
        moved = 0
        while not done.done() or moved < 20:
            time.sleep(0.03)
            if loaded.access_log.exists():
                moved += 1
                loaded.access_log.rename(loaded.access_log.with_name(f"moved-{moved}.log"))
            elif done.done():
                break
        done.result()

    def found() -> int:
        files = [loaded.access_log, *loaded.access_log.parent.glob("moved-*.log")]
        return sum(f.read_bytes().count(b"/xxxxx") for f in files if f.exists())

    waiting.until(lambda: found() == count, 10, 0.1)
    assert stats(loaded)["lost"] == before
    assert moved > 1
    loaded.get("a.example")
    waiting.until(loaded.access_log.exists, 10)


def test_a_killed_writer_is_started_again(loaded: Gateway) -> None:
    pid = stats(loaded)["pid"]
    os.kill(pid, signal.SIGKILL)
    loaded.get("a.example", headers=[("X-Request-ID", "after-the-kill")])
    assert line_of(loaded, "after-the-kill")["status"] == 200
    waiting.until(lambda: stats(loaded)["pid"] != pid, 10)


def test_a_log_folder_that_is_removed_is_made_again(pool: Backends, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    with Gateway(args=["--access-log", str(folder / "access.log")], access_log=False) as gateway:
        gateway.access_log = folder / "access.log"
        gateway.get("x.example", headers=[("X-Request-ID", "one")])
        line_of(gateway, "one")
        gateway.access_log.rename(tmp_path / "moved")
        folder.rmdir()
        gateway.get("x.example", headers=[("X-Request-ID", "two")])
        line_of(gateway, "two")
        assert "[alert]" not in gateway.nginx_logs()


def test_a_full_disk_costs_no_request(pool: Backends, tmp_path: Path) -> None:
    """A tiny file system; once there is room again, what waited is written, and every line is whole."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("no right to mount a file system")
    try:
        with Gateway(args=["--access-log", str(disk / "access.log")], access_log=False) as gateway:
            gateway.access_log = disk / "access.log"
            services = Services(pool, "full")
            gateway.apply(*services.make("web"), services.ingress("web", rule("a.example", path("/", "web"))))
            storm(gateway, 400)
            waiting.until(lambda: "space" in stats(gateway)["trouble"], 10)
            storm(gateway, 400)
            subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
            waiting.until(lambda: sum("x" * 900 in line["uri"] for line in lines(gateway)) == 800, 10, 0.1)
            waiting.until(lambda: not stats(gateway)["trouble"], 10)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_large_file_is_moved_aside(pool: Backends) -> None:
    """No line is lost by it, and `why` looks into the older files, too."""
    with Gateway(args=["--access-log-size", "1m"]) as gateway:
        services = Services(pool, "large")
        gateway.apply(*services.make("web"), services.ingress("web", rule("a.example", path("/", "web"))))
        gateway.get("a.example", headers=[("X-Request-ID", "first")])
        line_of(gateway, "first")
        storm(gateway, 1_200)
        older = gateway.access_log.with_name("access.log.1")

        def found() -> int:
            files = [gateway.access_log, *gateway.access_log.parent.glob("access.log.*")]
            return sum(f.read_bytes().count(b"/xxxxx") for f in files if f.exists())

        waiting.until(lambda: older.exists() and found() == 1_200, 10, 0.1)
        assert '"first"' not in (gateway.access_log.read_text() if gateway.access_log.exists() else "")
        assert gateway.run("why", "first").returncode == 0


# --- lives and ends -----------------------------------------------------------------------------------------------------


def writers(gateway: Gateway) -> list[int]:
    """Give the writers of a gateway, by their command lines."""
    found = []
    for pid in gateway.processes():
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"tidegate.dataplane.access_log" in command:
            found.append(pid)
    return found


def test_a_writer_outlives_the_keeper_and_the_next_keeper_finds_it() -> None:
    with Gateway() as gateway:
        waiting.until(lambda: len(writers(gateway)) == 1, 10)
        (writer,) = writers(gateway)
        keeper = int(gateway.status()["keeper"])
        os.kill(keeper, signal.SIGKILL)
        gateway.get("x.example", headers=[("X-Request-ID", "without-a-keeper")])
        line_of(gateway, "without-a-keeper")
        waiting.until(lambda: int(gateway.status()["keeper"]) != keeper, 20)
        time.sleep(2.5)
        assert writers(gateway) == [writer]
        os.kill(writer, signal.SIGKILL)
        waiting.until(lambda: len(writers(gateway)) == 1 and writers(gateway) != [writer], 10)


def test_a_gateway_that_ends_leaves_every_line_and_no_writer() -> None:
    with Gateway() as gateway:
        for number in range(50):
            gateway.get("x.example", headers=[("X-Request-ID", f"last-{number}")])
        assert gateway.terminate() == 0
        waiting.until(lambda: not gateway.processes(), 10)
        assert sum(line["request_id"].startswith("last-") for line in lines(gateway)) == 50


def test_standard_output_gets_the_lines() -> None:
    with Gateway(args=["--access-log", "-"], access_log=False) as gateway:
        gateway.get("x.example", headers=[("X-Request-ID", "to-stdout")])
        line = waiting.until(
            lambda: next((x for x in gateway.log_text().splitlines() if '"to-stdout"' in x), None), 10
        )
        assert strict(line.encode())["layer"] == "no route"
