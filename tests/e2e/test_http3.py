"""HTTP/3, where the ConfigMap asks for it: beside HTTPS, on the UDP port of the same number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from harness import certs, http, http3, keeper, manifests, waiting
from harness.backends import Backends
from harness.gateway import Gateway
from harness.manifests import path, rule, tls_secret
from harness.services import Services

HOST = "h3.example"


@pytest.fixture(scope="module")
def gateway(pool: Backends, authority: certs.Authority) -> Iterator[Gateway]:
    services = Services(pool, "three")
    rules = rule(HOST, path("/", "web"))
    objects = [
        manifests.config_map({"use-http3": "true", "worker-processes": "2"}),
        *services.make("web"),
        tls_secret("pair", authority.issue(HOST), namespace="three"),
        services.ingress("web", rules, tls=[([HOST], "pair")]),
        services.ingress(
            "large",
            rule("large.h3.example", path("/", "web")),
            annotations={"proxy-body-size": "8m", "ssl-redirect": "false"},
        ),
    ]
    with Gateway(objects) as started:
        yield started


def test_https_says_that_http3_is_there_and_it_is(gateway: Gateway, authority: certs.Authority) -> None:
    """Backends are told the same as over TCP; the host comes from :authority."""
    answer = gateway.get_tls(HOST, tls=authority.client())
    assert answer.get("Alt-Svc") == f'h3=":{gateway.https_port}"; ma=86400'
    with http3.Connection(gateway.https_port, sni=HOST) as connection:
        echo = connection.ask("/a?b", host=HOST).echo
        unknown = connection.ask("/", host="nobody.example")
    assert unknown.status == 404
    assert (echo.uri, echo.version, echo.get("Host")) == ("/a?b", "HTTP/1.1", [HOST])
    for name, value in {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "443",
        "X-Real-IP": "127.0.0.1",
    }.items():
        assert echo.get(name) == [value]
    assert echo.get("X-Forwarded-Host") == [HOST]


def test_bodies_pass_both_ways_and_limits_hold(gateway: Gateway) -> None:
    """A location profile's limit too."""
    body = b"x" * 3_000_000
    with http3.Connection(gateway.https_port, sni=HOST, timeout=20) as connection:
        assert connection.ask("/", host=HOST, method="POST", body=body).status == 413
        large = connection.ask("/", host="large.h3.example", method="POST", body=body)
        assert large.echo.body_sha256 == hashlib.sha256(body).hexdigest()
        assert connection.ask("/?bytes=2000000", host=HOST).body == b"x" * 2_000_000


MALFORMED = {
    "another Host": [("host", "other.example")],
    "Connection": [("connection", "x-one"), ("x-one", "1")],
    "Transfer-Encoding": [("transfer-encoding", "chunked")],
    "CRLF in a value": [("x-one", "x\r\nX-Injected: yes")],
    "upper case": [("X-One", "1")],
    "two paths": [(":path", "/other")],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_refused(gateway: Gateway, name: str) -> None:
    """By an answer or by the end of the stream, never passed on as something else."""
    pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "/")]
    try:
        with http3.Connection(gateway.https_port, sni=HOST, timeout=3) as connection:
            answer = connection.raw([*pseudo, *MALFORMED[name]])
    except (http.NoAnswer, TimeoutError):
        return
    assert answer.status == 400 or not answer.echo.get("X-One")
    assert answer.status == 400 or (answer.echo.get("Host"), answer.echo.uri) == ([HOST], "/")
    assert answer.status == 400 or not answer.echo.get("X-Injected")


def answers(gateway: Gateway) -> bool:
    try:
        with http3.Connection(gateway.https_port, sni=HOST, timeout=1) as connection:
            return connection.ask("/", host=HOST).status == 200
    except (ConnectionError, TimeoutError):
        return False


def test_it_is_there_after_a_reload_and_after_a_hand_over(gateway: Gateway) -> None:
    """Sockets of its own for each worker; open connections end, as they do over TCP."""
    gateway.folder.write(
        "profile.yaml",
        manifests.ingress(
            "odd", rule("odd.example", path("/", "none")), annotations={"proxy-body-size": "12345k"}
        ),
    )
    waiting.until(lambda: gateway.reloads > 0, 20, 0.02, why="the reload")
    waiting.until(lambda: answers(gateway), 10, why="HTTP/3 after a reload")
    keeper.ask(gateway.state_dir / "keeper.sock", "handover")
    waiting.until(lambda: gateway.status()["handovers"] > 0, 20, 0.02, why="the hand-over")
    waiting.until(lambda: answers(gateway), 10, why="HTTP/3 after a hand-over")


def test_it_goes_with_the_configmaps_word(gateway: Gateway, authority: certs.Authority) -> None:
    """And HTTPS no longer speaks of it."""
    text = (gateway.folder.path / "objects.yaml").read_text()
    gateway.folder.write_text("objects.yaml", text.replace("use-http3: 'true'", "use-http3: 'false'"))

    def is_silent() -> bool:
        return gateway.get_tls(HOST, tls=authority.client()).get("Alt-Svc") is None

    waiting.until(is_silent, 20, 0.05, why="no Alt-Svc")
    assert gateway.get_tls(HOST, tls=authority.client()).status == 200
