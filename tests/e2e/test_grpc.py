"""gRPC from real clients to real servers: on the plain port without any certificate, beside HTTP/1, and over TLS."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import msgspec
import pytest

from harness import manifests, waiting
from harness.backends import Backends
from harness.certs import Authority
from harness.gateway import Gateway
from harness.grpc_backend import Caller, GrpcBackend
from harness.manifests import path, rule, tls_secret
from harness.services import Services

HOST, MIXED = "grpc.example", "mixed.example"
Status: Any = grpc.StatusCode


@pytest.fixture(scope="module")
def server() -> Iterator[GrpcBackend]:
    with GrpcBackend("calls") as started:
        yield started


@pytest.fixture(scope="module")
def gateway(pool: Backends, authority: Authority, server: GrpcBackend) -> Iterator[Gateway]:
    services = Services(pool, "grpc")
    bare = {"ssl-redirect": "false"}
    grpc_only = {"backend-protocol": "GRPC", "proxy-body-size": "0", "ssl-redirect": "false"}
    calls = {"backend-protocol": "GRPC"}
    objects = [
        manifests.config_map({"proxy-read-timeout": "1", "proxy-send-timeout": "1"}),
        tls_secret("pair", authority.issue(HOST), namespace="grpc"),
        *services.of("calls", [server]),
        *services.make("pages"),
        services.ingress("calls", rule(HOST, path("/", "calls")), annotations=grpc_only, tls=[([HOST], "pair")]),
        services.ingress("probe", rule(HOST, path("/healthz", "pages", kind="Exact")), annotations=bare),
        services.ingress("mixed-calls", rule(MIXED, path("/", "calls")), annotations=calls, created="2026-02-01T00:00:00Z"),
        services.ingress("mixed-pages", rule(MIXED, path("/", "pages")), created="2026-01-01T00:00:00Z"),
    ]  # fmt: skip
    with Gateway(objects) as started:
        yield started


@pytest.fixture(params=["plain", "tls"])
def caller(request: pytest.FixtureRequest, gateway: Gateway, authority: Authority) -> Iterator[Caller]:
    root = authority.pem.encode() if request.param == "tls" else b""
    with Caller(gateway.https_port if root else gateway.http_port, HOST, root=root) as made:
        yield made


def test_all_four_kinds_of_calls(caller: Caller) -> None:
    """One or many messages, either way."""
    assert caller.unary("Unary")(b"hi", timeout=10) == b"calls:hi"
    assert caller.gather()(iter([b"xx"] * 100), timeout=10) == b"100:200"
    assert list(caller.spread()(b"5", timeout=10)) == [b"0", b"1", b"2", b"3", b"4"]
    assert list(caller.chat()(iter([b"a", b"bb", b"c"]), timeout=10)) == [b"a", b"bb", b"c"]


def test_a_conversation_goes_word_by_word(caller: Caller) -> None:
    """Each message passes when it is sent, not when the stream ends."""
    heard = threading.Semaphore(0)

    def words() -> Iterator[bytes]:
        for word in (b"one", b"two", b"three"):
            yield word
            assert heard.acquire(timeout=10)

    found = []
    for word in caller.chat()(words(), timeout=20):
        found.append(word)
        heard.release()
    assert found == [b"one", b"two", b"three"]


def test_metadata_and_trailers_pass(caller: Caller) -> None:
    """Text and binary, both ways."""
    answer, call = caller.unary("Unary").with_call(b"", timeout=10)
    assert answer == b"calls:"
    assert set(call.trailing_metadata()) >= {("x-trailer", "at the end"), ("x-raw-bin", b"\x00\xff")}
    sent = (("x-own", "1"), ("x-raw-bin", b"\x01\xfe"))
    told = dict(msgspec.json.decode(caller.unary("Told")(b"", timeout=10, metadata=sent)))
    assert (told["x-own"], told["x-raw-bin"]) == ("1", str(b"\x01\xfe"))
    assert told["x-real-ip"] == "127.0.0.1"


@pytest.mark.parametrize("status", ["NOT_FOUND", "RESOURCE_EXHAUSTED", "INTERNAL", "UNAUTHENTICATED"])
def test_the_backends_own_status_passes(caller: Caller, status: str) -> None:
    """With its message, whatever is in it."""
    with pytest.raises(grpc.RpcError) as caught:
        caller.unary("Fail")(status.encode(), timeout=10)
    assert (caught.value.code(), caught.value.details()) == (getattr(Status, status), "as asked: 100 %")


def test_a_deadline_reaches_the_backend_and_holds(caller: Caller, server: GrpcBackend) -> None:
    """What is left of it; the backend learns that the client gave up."""
    server.cancelled.clear()
    with pytest.raises(grpc.RpcError) as caught:
        caller.unary("Wait")(b"", timeout=0.7)
    assert caught.value.code() == Status.DEADLINE_EXCEEDED
    assert 0 < server.deadline < 1
    assert server.cancelled.wait(10)


def test_a_call_that_is_cancelled_is_cancelled_at_the_backend(caller: Caller, server: GrpcBackend) -> None:
    """At once, not when it would have ended."""
    server.cancelled.clear()
    server.deadline = -1.0
    future = caller.unary("Wait").future(b"", timeout=20)
    waiting.until(lambda: server.deadline > 0, 10)
    future.cancel()
    assert server.cancelled.wait(10)


def test_streams_outlive_the_read_timeout(caller: Caller) -> None:
    """One second here: a stream may be silent for longer."""
    assert list(caller.spread()(b"2@1.3", timeout=10)) == [b"0", b"1"]


def test_large_messages_pass(caller: Caller) -> None:
    """Larger than any window, both ways; with no limit of a body, a stream may be of any length."""
    assert caller.gather()(iter([b"x" * 500_000] * 10), timeout=20) == b"10:5000000"
    assert caller.unary("Unary")(b"y" * 3_000_000, timeout=20) == b"calls:" + b"y" * 3_000_000


def test_http1_and_grpc_share_host_and_port_by_path(gateway: Gateway, caller: Caller) -> None:
    """A probe over HTTP/1 beside the calls."""
    assert gateway.get(HOST, "/healthz").backend == "grpc-pages-0"
    assert caller.unary("Unary")(b"", timeout=10) == b"calls:"


def test_a_server_that_says_goodbye_costs_no_call(gateway: Gateway, pool: Backends) -> None:
    """GOAWAY while calls are made: the gateway opens another connection to who is left."""
    services = Services(pool, "grpc-goaway")
    with GrpcBackend("first", options=[("grpc.max_connection_age_ms", 150)]) as first:
        gateway.apply(
            *services.of("web", [first]),
            services.ingress(
                "web", rule("goaway.example", path("/", "web")), annotations={"backend-protocol": "GRPC"}
            ),
        )
        with Caller(gateway.http_port, "goaway.example") as made:
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                assert made.unary("Unary")(b"", timeout=10) == b"first:"


def test_one_path_serves_calls_and_pages_by_content_type(gateway: Gateway) -> None:
    """Where two Ingresses claim it, one of them for gRPC, whichever is older."""
    with Caller(gateway.http_port, MIXED) as made:
        assert made.unary("Unary")(b"", timeout=10) == b"calls:"
    assert gateway.get(MIXED, "/harness.Echo/Unary").backend == "grpc-pages-0"
    plain = [("Content-Type", "application/grpc-web")]
    assert gateway.get(MIXED, "/", method="POST", headers=plain, body=b"x").backend == "grpc-pages-0"
    for kind, service in (("application/grpc", "calls"), ("text/plain", "pages")):
        header = f"Content-Type: {kind}"
        explained = gateway.run("explain", "POST", f"http://{MIXED}/x", "-H", header).stdout
        assert f"grpc/{service}/80" in explained


def test_streams_live_through_edits_and_a_reload(gateway: Gateway, pool: Backends) -> None:
    """Calls that are open go on where they are."""
    services = Services(pool, "grpc-edits")
    go = threading.Event()

    def words() -> Iterator[bytes]:
        yield b"before"
        assert go.wait(60)
        yield b"after"

    with Caller(gateway.http_port, HOST) as made:
        calls = [made.chat()(words(), timeout=60) for _ in range(10)]
        assert [next(call) for call in calls] == [b"before"] * 10
        before = gateway.reloads
        made_new = services.make("web")
        for number in range(5):
            notes = {"proxy-body-size": "77k"} if number == 4 else {"proxy-read-timeout": str(number + 2)}
            edited = services.ingress("web", rule("edits.example", path("/", "web")), annotations=notes)
            gateway.apply(*made_new, edited, name="edits.yaml", timeout=30)
        waiting.until(lambda: gateway.reloads > before, 30, 0.05, why="the reload for a new limit")
        go.set()
        assert [list(call) for call in calls] == [[b"after"]] * 10
