"""What backends are told of the client (reference f.2, f.3), by peers that are trusted and by others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import manifests, waiting
from harness.backends import Backends, Echo
from harness.certs import Authority
from harness.gateway import Gateway
from harness.manifests import path, rule, tls_secret
from harness.services import Services

HOST = "headers.example"

SPOOFED = [
    ("X-Forwarded-For", "10.1.1.1, 10.2.2.2"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Port", "8443"),
    ("X-Forwarded-Host", "public.example"),
    ("X-Real-IP", "10.3.3.3"),
    ("X-Scheme", "gopher"),
    ("X-Forwarded-Scheme", "gopher"),
    ("Proxy", "http://evil.example"),
]


def start(pool: Backends, authority: Authority, config: dict[str, str]) -> Gateway:
    services = Services(pool, "headers")
    return Gateway(
        [
            manifests.config_map(config),
            *services.make("web"),
            tls_secret("pair", authority.issue(HOST), namespace="headers"),
            services.ingress(
                "web",
                rule(HOST, path("/", "web")),
                tls=[([HOST], "pair")],
                annotations={"ssl-redirect": "false"},
            ),
        ]
    )


@pytest.fixture(scope="module")
def plain(pool: Backends, authority: Authority) -> Iterator[Gateway]:
    with start(pool, authority, {}) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def trusting(pool: Backends, authority: Authority) -> Iterator[Gateway]:
    config = {"use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8,10.2.0.0/16"}
    with start(pool, authority, config) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def distant(pool: Backends, authority: Authority) -> Iterator[Gateway]:
    """Trusts a network that no client here is in."""
    with start(
        pool, authority, {"use-forwarded-headers": "true", "proxy-real-ip-cidr": "10.0.0.0/8"}
    ) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def full(pool: Backends, authority: Authority) -> Iterator[Gateway]:
    config = {
        "use-forwarded-headers": "true",
        "compute-full-forwarded-for": "true",
        "proxy-real-ip-cidr": "127.0.0.0/8",
        "proxy-add-original-uri-header": "true",
        "generate-request-id": "false",
    }
    with start(pool, authority, config) as gateway:
        yield gateway


def told(gateway: Gateway, headers: list[tuple[str, str]]) -> Echo:
    return gateway.get(HOST, "/", headers=headers).echo


def test_the_backend_is_told_who_asked_for_what(plain: Gateway) -> None:
    """Each header exactly once."""
    echo = told(plain, [])
    port = str(plain.http_port)
    wanted = {
        "Host": HOST,
        "X-Real-IP": "127.0.0.1",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": HOST,
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Scheme": "http",
        "X-Scheme": "http",
        "X-Forwarded-Port": port,
    }
    assert {name: echo.get(name) for name in wanted} == {name: [value] for name, value in wanted.items()}
    assert echo.get("X-Original-Forwarded-For") == []
    assert echo.version == "HTTP/1.1"
    assert echo.get("Connection") in ([], [""])


def test_over_tls_the_scheme_is_https_and_the_port_443(plain: Gateway, authority: Authority) -> None:
    """Whatever port the listener really has."""
    echo = plain.get_tls(HOST, tls=authority.client()).echo
    assert (echo.get("X-Forwarded-Proto"), echo.get("X-Forwarded-Port")) == (["https"], ["443"])


def test_what_a_stranger_says_of_itself_is_replaced(plain: Gateway) -> None:
    """Only kept aside as what it said; a Proxy header is dropped."""
    echo = told(plain, SPOOFED)
    assert echo.get("X-Forwarded-For") == ["127.0.0.1"]
    assert echo.get("X-Real-IP") == ["127.0.0.1"]
    assert echo.get("X-Forwarded-Proto") == ["http"]
    assert echo.get("X-Forwarded-Scheme") == echo.get("X-Scheme") == ["http"]
    assert echo.get("X-Forwarded-Port") == [str(plain.http_port)]
    assert echo.get("X-Forwarded-Host") == echo.get("Host") == [HOST]
    assert echo.get("X-Original-Forwarded-For") == ["10.1.1.1, 10.2.2.2"]
    assert echo.get("Proxy") == []


def test_a_trusted_peer_is_believed(trusting: Gateway) -> None:
    """The client is the last address that is not a trusted peer's."""
    echo = told(trusting, SPOOFED)
    assert echo.get("X-Forwarded-For") == echo.get("X-Real-IP") == ["10.1.1.1"]
    assert echo.get("X-Forwarded-Proto") == ["https"]
    assert echo.get("X-Forwarded-Port") == ["8443"]
    assert echo.get("X-Forwarded-Host") == ["public.example"]


def test_a_trusted_peer_that_says_nothing_changes_nothing(trusting: Gateway) -> None:
    """The connection itself tells."""
    echo = told(trusting, [])
    assert echo.get("X-Forwarded-For") == ["127.0.0.1"]
    assert echo.get("X-Forwarded-Proto") == ["http"]
    assert echo.get("Host") == [HOST]


def test_a_peer_outside_the_trusted_networks_is_a_stranger(distant: Gateway) -> None:
    """Whatever the mode: address, scheme, port and host are those of its connection."""
    echo = told(distant, SPOOFED)
    assert echo.get("X-Forwarded-For") == echo.get("X-Real-IP") == ["127.0.0.1"]
    assert echo.get("X-Forwarded-Proto") == ["http"]
    assert echo.get("X-Forwarded-Port") == [str(distant.http_port)]
    assert echo.get("Host") == echo.get("X-Forwarded-Host") == [HOST]


def test_the_whole_chain_is_passed_on_where_it_is_asked_for(full: Gateway) -> None:
    """What the trusted peer said, and the peer itself."""
    echo = told(full, [("X-Forwarded-For", "10.1.1.1, 10.2.2.2")])
    assert echo.get("X-Forwarded-For") == ["10.1.1.1, 10.2.2.2, 127.0.0.1"]
    assert echo.get("X-Real-IP") == ["10.2.2.2"]


def test_keys_of_the_configmap_add_and_leave_out_headers(full: Gateway) -> None:
    """The original URI, and no id where the client has sent none."""
    echo = full.get(HOST, "/a/../b?c=%20").echo
    assert echo.get("X-Original-URI") == ["/a/../b?c=%20"]
    assert echo.get("X-Request-ID") in ([], [""])


def test_headers_of_the_client_pass_unchanged(plain: Gateway) -> None:
    """In order, repetitions too."""
    sent = [
        ("X-One", "1"),
        ("Cookie", "a=b; c=d"),
        ("X-Two", "2"),
        ("X-One", "again"),
        ("Authorization", "Basic eA=="),
    ]
    got = [h for h in told(plain, sent).headers if h in sent]
    assert got == sent


def test_names_with_underscores_are_dropped(plain: Gateway) -> None:
    """They could be taken for others by a backend."""
    assert told(plain, [("X_Forwarded_For", "10.9.9.9")]).get("X_Forwarded_For") == []


@pytest.mark.parametrize("given", [None, "my-own-id", "any text, really"])
def test_a_request_has_an_id(plain: Gateway, given: str | None) -> None:
    """The client's, or 32 hex digits; the log has the same."""
    headers = [("X-Request-ID", given)] if given else []
    (found,) = told(plain, headers).get("X-Request-ID")
    if given:
        assert found == given
    else:
        assert len(bytes.fromhex(found)) == 16
    line = f'"request_id":"{found}"'
    waiting.until(lambda: line in plain.access_log.read_text(), 5, 0.01, why="the line of the log")


def test_ids_are_all_different(plain: Gateway) -> None:
    """Requests, connections and workers apart."""
    ids = [found for _ in range(300) for found in told(plain, []).get("X-Request-ID")]
    assert len(set(ids)) == len(ids) == 300


def test_the_answer_says_nothing_of_the_gateway(plain: Gateway) -> None:
    """No version, no name of the server software; the backend's own headers pass."""
    answer = plain.get(HOST, "/?header=X-Own:%20yes")
    assert answer.get("X-Own") == "yes"
    assert "/" not in (answer.get("Server") or "")
