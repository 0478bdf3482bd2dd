"""TCP and UDP services (reference g.18): real sockets through a real gateway."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from harness import keeper, waiting
from harness.gateway import Gateway
from harness.manifests import Manifest, config_map, endpoint_slice, service
from harness.raw import Client, Raw, RawBackends, datagrams, name_at

FLAGS = ("--tcp-services-configmap", "streams/tcp", "--udp-services-configmap", "streams/udp")


@pytest.fixture(scope="module")
def raw() -> Iterator[RawBackends]:
    with RawBackends() as started:
        yield started


def at(name: str, *backends: Raw, protocol: str = "TCP") -> Manifest:
    """Give a slice with one endpoint for each backend; all have one port."""
    addresses = [b.address for b in backends]
    return endpoint_slice(name, backends[0].port if backends else 9, addresses, protocol=protocol)


def lines(kind: str, entries: dict[int | str, str]) -> Manifest:
    return config_map({str(k): v for k, v in entries.items()}, name=kind, namespace="streams")


class Ports:
    """Ports of the gateway, one for each purpose."""

    def __init__(self) -> None:
        self.echo, self.decode, self.encode, self.both, self.empty, self.dns, self.chatty = (
            waiting.free_ports(7)
        )


@pytest.fixture(scope="module")
def ports() -> Ports:
    return Ports()


@pytest.fixture(scope="module")
def echoes(raw: RawBackends) -> tuple[Raw, Raw]:
    first = raw.tcp("one")
    return first, raw.tcp("two", port=first.port)


@pytest.fixture(scope="module")
def behind_proxy(raw: RawBackends) -> Raw:
    return raw.tcp("proxied", proxied=True)


@pytest.fixture(scope="module")
def gateway(raw: RawBackends, ports: Ports, echoes: tuple[Raw, Raw], behind_proxy: Raw) -> Iterator[Gateway]:
    tcp: dict[int | str, str] = {
        ports.echo: "default/echo:7",
        ports.decode: "default/echo:echo:PROXY",
        ports.encode: "default/proxied:7::PROXY",
        ports.both: "default/proxied:7:proxy:PROXY",
        ports.empty: "default/empty:7",
    }
    udp: dict[int | str, str] = {ports.dns: "default/dns:53", ports.chatty: "default/chatty:53"}
    gateway = Gateway(
        [
            service("echo", ("echo", 7)),
            service("proxied", 7),
            service("empty", 7),
            service("dns", 53, protocol="UDP"),
            service("chatty", 53, protocol="UDP"),
            at("proxied", behind_proxy),
            at("dns", raw.udp("dns"), protocol="UDP"),
            at("chatty", raw.udp("chatty", answers=3), protocol="UDP"),
            lines("udp", udp),
            config_map({"proxy-stream-responses": "3", "proxy-stream-timeout": "2s"}),
        ],
        args=FLAGS,
    )
    first = echoes[0]
    gateway.folder.write("echo.yaml", slice_of_echo(first))
    gateway.folder.write("tcp.yaml", lines("tcp", tcp))
    with gateway:
        yield gateway


def slice_of_echo(*backends: Raw) -> Manifest:
    made = at("echo", *backends)
    made["ports"][0]["name"] = "echo"
    return made


def use(gateway: Gateway, *backends: Raw) -> None:
    """Change the endpoints of the echo service, and wait until that is in force."""
    gateway.apply(slice_of_echo(*backends), name="echo.yaml")


# --- TCP ------------------------------------------------------------------------------------------------------------


def test_bytes_go_both_ways_as_they_are(gateway: Gateway, ports: Ports, echoes: tuple[Raw, Raw]) -> None:
    """A megabyte of every value."""
    use(gateway, echoes[0])
    sent = bytes(range(256)) * 64
    with Client(ports.echo) as client:
        assert client.name == "one"
        assert all(client.ask(sent) == sent for _ in range(64))


def test_endpoints_change_without_a_reload_and_cut_nobody(
    gateway: Gateway, ports: Ports, echoes: tuple[Raw, Raw]
) -> None:
    """A connection that is held stays where it is; the next one goes to the new endpoint; nginx's processes are the same."""
    one, two = echoes
    use(gateway, one)
    before = gateway.status()
    with Client(ports.echo) as held:
        use(gateway, two)
        assert [name_at(ports.echo) for _ in range(4)] == ["two"] * 4
        use(gateway)
        assert name_at(ports.echo) == ""
        use(gateway, one)
        assert [name_at(ports.echo) for _ in range(4)] == ["one"] * 4
        assert held.ask(b"still here") == b"still here"
        assert held.name == "one"
    after = gateway.status()
    for what in ("reloads", "handovers", "restarts", "generation", "master", "workers"):
        assert after[what] == before[what], what


def test_connections_are_spread_evenly_by_all_workers_together(
    gateway: Gateway, ports: Ports, echoes: tuple[Raw, Raw]
) -> None:
    """Whichever worker accepts: turns are taken in memory that they share."""
    use(gateway, *echoes)
    assert Counter(name_at(ports.echo) for _ in range(40)) == {"one": 20, "two": 20}


def test_an_endpoint_that_refuses_costs_no_connection(
    gateway: Gateway, ports: Ports, raw: RawBackends, echoes: tuple[Raw, Raw]
) -> None:
    """Another one is tried; the client sees nothing of it."""
    dying = raw.tcp("dying", port=echoes[0].port)
    use(gateway, dying, echoes[0])
    assert {name_at(ports.echo) for _ in range(4)} == {"dying", "one"}
    raw.close(dying)
    assert [name_at(ports.echo) for _ in range(10)] == ["one"] * 10


def test_without_endpoints_a_connection_is_closed_at_once(gateway: Gateway, ports: Ports) -> None:
    """The port stays open: endpoints that come need no reload."""
    with Client(ports.empty) as client:
        assert client.name == ""


# --- client addresses -----------------------------------------------------------------------------------------------


def test_the_backend_gets_the_client_s_address_in_a_proxy_header(
    gateway: Gateway, ports: Ports, behind_proxy: Raw
) -> None:
    """The second PROXY of a line."""
    with Client(ports.encode) as client:
        own = client.sock.getsockname()
        assert client.name == "proxied"
    assert behind_proxy.proxied[-1] == f"PROXY TCP4 127.0.0.1 127.0.0.1 {own[1]} {ports.encode}\r\n".encode()


def test_a_client_s_proxy_header_is_taken_off(
    gateway: Gateway, ports: Ports, echoes: tuple[Raw, Raw]
) -> None:
    """The first PROXY of a line; version 1 and 2."""
    use(gateway, echoes[0])
    v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 9, 192, 0, 2, 1, 4, 1, 0, 7])
    for head in (b"PROXY TCP4 192.0.2.9 192.0.2.1 1025 7\r\n", v2):
        with Client(ports.decode, first=head) as client:
            assert client.name == "one"
            assert client.ask(b"x") == b"x"


def test_an_address_is_passed_on_from_header_to_header(
    gateway: Gateway, ports: Ports, behind_proxy: Raw
) -> None:
    """What the balancer before us says of the client, the backend learns."""
    with Client(ports.both, first=b"PROXY TCP4 192.0.2.9 192.0.2.1 1025 7\r\n") as client:
        assert client.name == "proxied"
    assert behind_proxy.proxied[-1].startswith(b"PROXY TCP4 192.0.2.9 ")


def test_without_the_header_that_it_must_have_a_connection_is_closed(gateway: Gateway, ports: Ports) -> None:
    """And reaches no backend."""
    assert name_at(ports.decode, first=b"GET / HTTP/1.1\r\n\r\n") == ""


# --- UDP ------------------------------------------------------------------------------------------------------------


def test_datagrams_are_answered(gateway: Gateway, ports: Ports) -> None:
    """From clients with as many ports as it takes to meet every worker."""
    for n in range(20):
        sent = f"question {n}".encode()
        assert datagrams(ports.dns, sent) == [b"dns 0 " + sent]


def test_as_many_datagrams_come_back_as_the_configmap_says(gateway: Gateway, ports: Ports) -> None:
    """Key proxy-stream-responses."""
    assert datagrams(ports.chatty, b"?", 3) == [b"chatty 0 ?", b"chatty 1 ?", b"chatty 2 ?"]


def test_datagrams_of_a_client_stay_with_one_endpoint(
    gateway: Gateway, ports: Ports, raw: RawBackends
) -> None:
    """Each worker has a socket of its own, and the kernel chooses it by the client's address."""
    others = [raw.udp(f"dns-{n}") for n in range(3)]
    slices = [
        endpoint_slice("dns", b.port, [b.address], name=f"dns-{b.name}", protocol="UDP") for b in others
    ]
    gateway.apply(*slices, name="dns.yaml")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(("127.0.0.1", ports.dns))
        seen = set()
        for _ in range(20):
            sock.send(b"?")
            seen.add(sock.recv(100).split()[0])
    assert len(seen) == 1
    assert len({datagrams(ports.dns, b"?")[0].split()[0] for _ in range(30)}) > 1


# --- life -----------------------------------------------------------------------------------------------------------


def test_what_a_worker_leaves_behind_is_no_loss(
    gateway: Gateway, ports: Ports, echoes: tuple[Raw, Raw]
) -> None:
    """A worker that is killed is followed by one that knows all endpoints."""
    use(gateway, *echoes)
    old = gateway.workers
    os.kill(old[0], signal.SIGKILL)
    waiting.until(
        lambda: set(gateway.workers) not in (set(old), set(old[1:])) and len(gateway.workers) == len(old)
    )
    assert {name_at(ports.echo) for _ in range(20)} == {"one", "two"}
    assert datagrams(ports.dns, b"?") != []
    use(gateway, echoes[1])
    assert {name_at(ports.echo) for _ in range(20)} == {"two"}


def test_a_new_nginx_takes_over_ports_without_refusing_anyone(
    gateway: Gateway, ports: Ports, echoes: tuple[Raw, Raw]
) -> None:
    """Hand-over: the keeper lends TCP and UDP sockets to both; a held connection goes on; the endpoints are there."""
    use(gateway, echoes[0])
    old = gateway.status()["master"]
    with Client(ports.echo) as held:
        keeper_does(gateway, "handover")
        assert gateway.status()["master"] != old
        assert [name_at(ports.echo) for _ in range(20)] == ["one"] * 20
        assert all(datagrams(ports.dns, b"?") for _ in range(20))
        assert held.ask(b"x") == b"x"


def test_nobody_is_refused_while_a_port_comes(
    gateway: Gateway, ports: Ports, echoes: tuple[Raw, Raw]
) -> None:
    """The new nginx shares the sockets of the old one; clients connect all the time, and each finds its backend."""
    use(gateway, echoes[0])
    data: dict[int | str, str] = {
        ports.echo: "default/echo:7",
        (added := waiting.free_ports(1)[0]): "default/echo:7",
    }
    old, stop, seen = gateway.status()["handovers"], threading.Event(), Counter[str]()

    def connect() -> None:
        while not stop.is_set():
            seen[name_at(ports.echo)] += 1

    clients = [threading.Thread(target=connect) for _ in range(3)]
    for client in clients:
        client.start()
    before = (gateway.folder.path / "tcp.yaml").read_text()
    gateway.folder.write("tcp.yaml", lines("tcp", data))
    waiting.until(lambda: name_at(added) == "one", 20)
    waiting.until(lambda: gateway.status()["handovers"] == old + 1, 20)
    stop.set()
    for client in clients:
        client.join()
    gateway.folder.write_text("tcp.yaml", before)
    assert seen.keys() == {"one"}
    assert seen["one"] > 20
    waiting.until(lambda: refuses(added), 30)


def test_everything_is_there_again_after_keeper_and_nginx_were_killed(
    gateway: Gateway, ports: Ports, echoes: tuple[Raw, Raw]
) -> None:
    """A new keeper takes the sockets back from the workers that are left, and starts nginx with all endpoints."""
    use(gateway, echoes[1])
    status = gateway.status()
    for pid in (status["keeper"], status["master"]):
        os.kill(pid, signal.SIGKILL)
    # The next push finds no keeper and starts one.
    use(gateway, echoes[0])
    waiting.until(lambda: gateway.status()["master"] not in (0, status["master"]), 20)
    waiting.until(lambda: [name_at(ports.echo) for _ in range(10)] == ["one"] * 10, 20)
    waiting.until(lambda: all(datagrams(ports.dns, b"?", timeout=1) for _ in range(10)), 20)


def keeper_does(gateway: Gateway, op: str) -> None:
    reply, _ = keeper.ask(gateway.state_dir / "keeper.sock", op)
    assert reply["ok"], reply


# --- ports that come and go, and bad lines --------------------------------------------------------------------------


def test_ports_come_and_go_and_bad_lines_disturb_nobody(raw: RawBackends) -> None:
    """A new port is served and an old one refuses; a port of another process is left out, and tried again later."""
    backend = raw.tcp("web")
    first, second = waiting.free_ports(2)
    taken = socket.create_server(("0.0.0.0", 0))
    occupied = taken.getsockname()[1]
    made = Gateway([service("web", 7), at("web", backend)], args=FLAGS)
    made.folder.write("tcp.yaml", lines("tcp", {first: "default/web:7"}))
    with made as gateway:
        assert name_at(first) == "web"
        bad: dict[int | str, str] = {
            "443": "default/web:7",
            "70000": "default/web:7",
            "9;daemon off": "default/web:7",
            f"+{second}": "default/web:7",
            "9001": "default/web",
            "9002": "default/web:7;}",
            "9003": "default/web:7:PROXY:PROXY:PROXY",
            "9004": "../web:7",
        }
        wanted: dict[int | str, str] = {second: "default/web:7", occupied: "default/web:7"}
        gateway.folder.write("tcp.yaml", lines("tcp", {**wanted, **bad}))
        waiting.until(lambda: name_at(second) == "web" and refuses(first), 20)
        found = gateway.run("findings").stdout
        for kind in ("PortReserved", "InvalidPort", "PortConflict", "InvalidService", "PortInUse"):
            assert kind in found
        assert found.count("InvalidService") == 4
        text = max(gateway.state_dir.glob("nginx/*/nginx.conf")).read_text()
        assert "default/web" not in text
        assert "daemon off;}" not in text
    taken.close()


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False
