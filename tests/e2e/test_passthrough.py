"""TLS passthrough by server name (reference g.17), in front of hosts whose TLS the gateway ends itself."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import pytest

from harness import certs, waiting
from harness.backends import Backends
from harness.certs import Authority
from harness.gateway import Gateway
from harness.manifests import (
    Manifest,
    config_map,
    endpoint_slice,
    ingress,
    path,
    rule,
    secret,
    service,
    tls_secret,
)
from harness.raw import Client, Raw, RawBackends, name_at, server_context

PASS = {"ssl-passthrough": "true"}


@pytest.fixture(scope="module")
def raw() -> Iterator[RawBackends]:
    with RawBackends() as started:
        yield started


def of(name: str, *backends: Raw) -> list[Manifest]:
    """Give a Service and its slice."""
    return [service(name, 443), endpoint_slice(name, backends[0].port, [b.address for b in backends])]


def passed(host: str, to: str, **annotations: str) -> Manifest:
    return ingress(f"pass-{to}", rule(host, path("/", to, 443)), annotations={**PASS, **annotations})


@pytest.fixture(scope="module")
def vault(raw: RawBackends, authority: Authority) -> Raw:
    return raw.tcp("vault", tls=authority.issue("vault.example"))


@pytest.fixture(scope="module")
def gateway(raw: RawBackends, pool: Backends, authority: Authority, vault: Raw) -> Iterator[Gateway]:
    mail = raw.tcp("mail", tls=authority.issue("mail.example"))
    web = pool.one("web")
    gateway = Gateway(
        [
            *of("mail", mail),
            passed("vault.example", "vault"),
            passed("mail.example", "mail"),
            ingress("wild", rule("*.wild.example", path("/", "vault", 443)), annotations=PASS),
            ingress("rootless", rule("rootless.example", path("/x", "vault", 443)), annotations=PASS),
            ingress(
                "closed",
                rule("closed.example", path("/", "mail", 443)),
                annotations={**PASS, "auth-url": "http://x"},
            ),
            ingress(
                "web",
                rule("web.example", path("/", "web")),
                tls=[(["web.example"], "web-tls")],
            ),
            tls_secret("web-tls", authority.issue("web.example")),
            ingress(
                "guarded",
                rule("guarded.example", path("/", "web")),
                annotations={"auth-tls-secret": "default/guarded-ca"},
            ),
            secret("guarded-ca", {"ca.crt": authority.pem}, namespace="default"),
            service("web"),
            endpoint_slice("web", web.port, [web.address]),
        ],
        args=["--enable-ssl-passthrough"],
    )
    gateway.folder.write("vault.yaml", *of("vault", vault))
    with gateway:
        yield gateway


def test_hosts_on_one_port_are_passed_through_or_ended_by_their_name(
    gateway: Gateway, authority: Authority
) -> None:
    """The client sees the backend's certificate, or the gateway's; it checks both."""
    client = authority.client()
    for _ in range(3):
        assert name_at(gateway.https_port, tls=client, sni="vault.example") == "vault"
        assert name_at(gateway.https_port, tls=client, sni="mail.example") == "mail"
        assert gateway.get_tls("web.example", tls=client, sni="web.example").backend == "web"


def test_a_name_is_compared_without_regard_to_case(gateway: Gateway) -> None:
    """As DNS has it."""
    assert name_at(gateway.https_port, tls=certs.credulous(), sni="VAULT.Example") == "vault"


def test_the_client_s_address_is_kept_where_the_gateway_ends_tls(
    gateway: Gateway, authority: Authority
) -> None:
    """The connection is passed on inside of the process: no second connection, no PROXY header."""
    answer = gateway.get_tls("web.example", tls=authority.client(), sni="web.example")
    assert answer.echo.get("X-Real-IP") == ["127.0.0.1"]
    assert answer.echo.get("X-Forwarded-Proto") == ["https"]


@pytest.mark.parametrize("name", ["a.wild.example", "rootless.example", "other.example", None])
def test_any_other_name_is_the_gateway_s_own(gateway: Gateway, name: str | None) -> None:
    """A wildcard is never passed through, nor a host without a path /, nor a client without a name."""
    with socket.create_connection(("127.0.0.1", gateway.https_port), 10) as plain:
        tls = certs.credulous().wrap_socket(plain, server_hostname=name)
        tls.sendall(b"GET / HTTP/1.1\r\nHost: nobody.example\r\nConnection: close\r\n\r\n")
        assert tls.recv(12) == b"HTTP/1.1 404"
        tls.close()


def test_a_host_that_asks_for_client_certificates_still_does(gateway: Gateway, pool: Backends) -> None:
    """Its server stands behind the look at the name, too."""
    answer = gateway.get_tls("guarded.example", tls=certs.credulous(), sni="guarded.example")
    assert answer.status == 400
    assert gateway.get_tls("guarded.example", tls=certs.credulous(), sni="web.example").status == 421
    assert gateway.get_tls("web.example", tls=certs.credulous(), sni="web.example").backend == "web"


def test_what_is_denied_is_not_passed_through(gateway: Gateway) -> None:
    """A protection that cannot be given closes the host on both ports."""
    assert name_at(gateway.https_port, tls=certs.credulous(), sni="closed.example") == ""
    assert gateway.get("closed.example").status == 503


def test_plain_http_is_routed_to_the_same_backend_over_tls(
    gateway: Gateway, pool: Backends, authority: Authority
) -> None:
    """For that is what it speaks; an answer comes back in plain text."""
    both = pool.group("both", tls=server_context(authority.issue("both.example")))
    gateway.apply(
        service("both", 443),
        endpoint_slice("both", both[0].port, [both[0].address]),
        passed("both.example", "both"),
    )
    assert gateway.eventually("both.example", status=200).backend == both[0].id
    client = authority.client()
    waiting.until(
        lambda: gateway.get_tls("both.example", tls=client, sni="both.example").backend == both[0].id, 30
    )


def calm(gateway: Gateway) -> dict[str, Any]:
    """Wait until what other tests asked for is configured and counted; give the keeper's status."""

    def is_same() -> bool:
        before = gateway.status()
        time.sleep(0.7)
        return before == gateway.status()

    waiting.until(is_same, 30)
    return gateway.status()


def test_endpoints_of_a_passed_through_host_change_without_a_reload(
    gateway: Gateway, raw: RawBackends, authority: Authority, vault: Raw
) -> None:
    """And cut nobody."""
    other = raw.tcp("vault-2", tls=authority.issue("vault.example"), port=vault.port)
    client, before = authority.client(), calm(gateway)
    with Client(gateway.https_port, tls=client, sni="vault.example") as held:
        gateway.apply(*of("vault", other), name="vault.yaml")
        assert name_at(gateway.https_port, tls=client, sni="vault.example") == "vault-2"
        assert held.ask(b"still here") == b"still here"
    gateway.apply(*of("vault", vault), name="vault.yaml")
    after = gateway.status()
    assert all(after[what] == before[what] for what in ("reloads", "handovers", "generation"))


def test_a_host_comes_and_goes_by_one_reload(
    gateway: Gateway, raw: RawBackends, authority: Authority
) -> None:
    """The set of names is part of the configuration; a connection through another host goes on."""
    new = raw.tcp("new", tls=authority.issue("new.example"))
    client, before = authority.client(), calm(gateway)
    with Client(gateway.https_port, tls=client, sni="mail.example") as held:
        gateway.apply(*of("new", new), passed("new.example", "new"), name="new.yaml")
        waiting.until(lambda: name_at(gateway.https_port, tls=client, sni="new.example") == "new", 20)
        assert held.ask(b"x") == b"x"
        waiting.until(lambda: gateway.reloads == before["reloads"] + 1, 20)
        assert gateway.status()["handovers"] == before["handovers"]
        gateway.withdraw("new.yaml")
        assert name_at(gateway.https_port, tls=client, sni="new.example") == ""
        assert held.ask(b"x") == b"x"


def is_closed(sock: socket.socket) -> bool:
    """Wait for the end of a connection; bytes that nobody read make it a reset."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def hello(name: str) -> bytes:
    """Give the ClientHello of a client that asks for a name."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = certs.credulous().wrap_bio(into, out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


@pytest.mark.parametrize("host", ["vault.example", "web.example"])
def test_a_client_hello_may_come_byte_by_byte(gateway: Gateway, host: str) -> None:
    """Its first bytes decide nothing."""
    with socket.create_connection(("127.0.0.1", gateway.https_port), 10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in hello(host):
            client.send(bytes([byte]))
            time.sleep(0.0005)
        assert client.recv(3) == b"\x16\x03\x03"


def test_what_is_no_tls_is_answered_by_the_gateway(gateway: Gateway) -> None:
    """As without passthrough: 400 for plain HTTP, the end of the connection for noise."""
    with socket.create_connection(("127.0.0.1", gateway.https_port), 10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: vault.example\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 400"
    assert name_at(gateway.https_port, first=b"\x16\x03\x01\xff\xff" + b"\0" * 20000) == ""
    assert name_at(gateway.https_port, first=b"EHLO there\r\n\r\n") == "HTTP/1.1 400 Bad Request"


def test_explain_and_routes_know_it(gateway: Gateway) -> None:
    """And name the findings of what is not passed through."""
    said = gateway.run("explain", "GET", "https://vault.example/").stdout
    assert "goes to default/vault/443 as it is" in said
    assert "passed" not in gateway.run("explain", "GET", "https://web.example/").stdout
    routes = gateway.run("routes", "vault.example").stdout
    assert "Passthrough" in routes
    findings = gateway.run("findings").stdout
    assert findings.count("PassthroughImpossible") == 2


def test_without_the_flag_the_annotation_is_a_finding(raw: RawBackends, authority: Authority) -> None:
    """The gateway ends TLS itself."""
    with Gateway(
        [*of("vault", raw.tcp("x", tls=authority.issue("x"))), passed("v.example", "vault")]
    ) as gateway:
        assert "PassthroughDisabled" in gateway.run("findings").stdout
        assert gateway.get_tls("other.example", tls=certs.credulous(), sni="v.example").status == 404


def test_behind_a_proxy_protocol_balancer(raw: RawBackends, pool: Backends, authority: Authority) -> None:
    """The header is read before the name, and its address is the client's for both kinds of hosts; silence is bounded."""
    vault, web = raw.tcp("v", tls=authority.issue("v.example")), pool.one("w")
    objects = [
        config_map({"use-proxy-protocol": "true", "client-header-timeout": "1"}),
        *of("vault", vault),
        passed("v.example", "vault"),
        service("web"),
        endpoint_slice("web", web.port, [web.address]),
        ingress("web", rule("w.example", path("/", "web"))),
    ]
    head = b"PROXY TCP4 192.0.2.9 192.0.2.1 1025 443\r\n"
    with Gateway(objects, args=["--enable-ssl-passthrough"]) as gateway:
        assert name_at(gateway.https_port, first=head, tls=certs.credulous(), sni="v.example") == "v"
        with socket.create_connection(("127.0.0.1", gateway.https_port), 10) as plain:
            plain.sendall(head)
            tls = certs.credulous().wrap_socket(plain, server_hostname="w.example")
            tls.sendall(b"GET / HTTP/1.1\r\nHost: w.example\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: tls.recv(65536), b""))
            tls.close()
        assert b'["X-Real-IP","192.0.2.9"]' in answer
        waiting.until(lambda: '"client":"192.0.2.9","protocol":"TCP"' in gateway.access_log.read_text())
        with socket.create_connection(("127.0.0.1", gateway.https_port), 10) as silent:
            silent.sendall(head + b"\x16\x03\x01")
            assert is_closed(silent)
