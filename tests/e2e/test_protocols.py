"""Backends of every protocol: the annotation, and what the Service's port says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec
import pytest

from harness import fastcgi, http, manifests
from harness.certs import Authority, credulous
from harness.fastcgi import FastCgi
from harness.gateway import Gateway
from harness.grpc_backend import Caller, GrpcBackend
from harness.manifests import path, rule
from harness.services import Listening, Services


def put(
    gateway: Gateway,
    services: Services,
    host: str,
    instance: Listening,
    *,
    says: str = "",
    **annotations: str,
) -> None:
    """Put one instance behind ``/`` of a host; ``says`` is the ``appProtocol`` of the Service's port."""
    named = {name.replace("_", "-"): value for name, value in annotations.items()}
    gateway.apply(
        *services.of("web", [instance], app_protocol=says),
        services.ingress("web", rule(host, path("/", "web")), annotations=named),
    )


@pytest.fixture
def grpc_server(services: Services) -> Iterator[GrpcBackend]:
    with GrpcBackend(services.instance("web")) as started:
        yield started


@pytest.fixture
def secure(services: Services, authority: Authority) -> Listening:
    return services.start("web", tls=authority.server(authority.issue("web.example"), client=True))[0]


@pytest.mark.parametrize("value", ["HTTPS", "https", "Https"])
def test_https(gateway: Gateway, services: Services, host: str, secure: Listening, value: str) -> None:
    """In any case of letters; without a reload."""
    before = gateway.reloads
    put(gateway, services, host, secure, backend_protocol=value)
    answer = gateway.get(host, "/x?y", method="POST", body=b"z")
    assert (answer.status, answer.echo.uri, answer.echo.body_length) == (200, "/x?y", 1)
    assert answer.echo.get("Host") == [host]
    assert gateway.reloads == before


def test_plain_http_to_a_tls_backend_fails(
    gateway: Gateway, services: Services, host: str, secure: Listening
) -> None:
    """So the tests above show something."""
    put(gateway, services, host, secure)
    assert gateway.get(host).status == 502


@pytest.mark.parametrize("value", ["GRPC", "grpc"])
def test_grpc(gateway: Gateway, services: Services, host: str, grpc_server: GrpcBackend, value: str) -> None:
    """In any case of letters; on the plain port without any certificate; without a reload."""
    before = gateway.reloads
    put(gateway, services, host, grpc_server, backend_protocol=value)
    with Caller(gateway.http_port, host) as caller:
        assert caller.unary("Unary")(b"hi", timeout=10) == f"{grpc_server.id}:hi".encode()
        told = dict(msgspec.json.decode(caller.unary("Told")(b"", timeout=10)))
    assert (told["x-forwarded-proto"], told["x-real-ip"], told["x-forwarded-host"]) == (
        "http",
        "127.0.0.1",
        host,
    )
    assert gateway.reloads == before


def test_fcgi(gateway: Gateway, services: Services, host: str) -> None:
    """Parameters of CGI, the client's headers, the body."""
    with FastCgi("cgi") as server:
        put(gateway, services, host, server, backend_protocol="FCGI", fastcgi_index="index.php")
        answer = gateway.get(
            host, "/app/?a=1", method="POST", body=b"x" * 5000,
            headers=[("X-Own", "1"), ("Proxy", "evil"), ("X-Forwarded-For", "10.0.0.1")],
        )  # fmt: skip
        told = msgspec.json.decode(answer.body, type=fastcgi.Told)
        assert gateway.get(host, "/a.php?status=418").status == 418
    assert (answer.status, answer.backend) == (200, "cgi")
    assert told.body_sha256 == hashlib.sha256(b"x" * 5000).hexdigest()
    wanted = {
        "SCRIPT_NAME": "/app/index.php", "QUERY_STRING": "a=1", "REQUEST_METHOD": "POST", "CONTENT_LENGTH": "5000",
        "HTTP_X_OWN": "1", "HTTP_HOST": host, "HTTP_X_FORWARDED_FOR": "127.0.0.1", "REQUEST_SCHEME": "http",
        "REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": host,
    }  # fmt: skip
    assert {name: told.params.get(name) for name in wanted} == wanted
    assert not told.params.get("HTTP_PROXY")


def test_auto_http_is_the_protocol_of_the_client(
    gateway: Gateway, services: Services, host: str, secure: Listening
) -> None:
    """Plain to plain, TLS to TLS."""
    put(gateway, services, host, secure, backend_protocol="AUTO_HTTP", ssl_redirect="false")
    assert gateway.get(host).status == 502
    with http.Connection(gateway.https_port, tls=credulous(), sni=host) as connection:
        assert connection.ask("/", host=host).status == 200


@pytest.mark.parametrize("says", ["https", "HTTPS", "kubernetes.io/wss"])
def test_the_port_of_the_service_says_https(
    gateway: Gateway, services: Services, host: str, secure: Listening, says: str
) -> None:
    """Its appProtocol counts where no annotation does."""
    put(gateway, services, host, secure, says=says)
    assert gateway.get(host).status == 200


@pytest.mark.parametrize("says", ["grpc", "kubernetes.io/h2c"])
def test_the_port_of_the_service_says_grpc(
    gateway: Gateway, services: Services, host: str, grpc_server: GrpcBackend, says: str
) -> None:
    """Its appProtocol counts where no annotation does."""
    put(gateway, services, host, grpc_server, says=says)
    with Caller(gateway.http_port, host) as caller:
        assert caller.unary("Unary")(b"", timeout=10)


@pytest.mark.parametrize("says", ["", "http", "kubernetes.io/ws", "example.com/own"])
def test_what_else_the_port_says_is_http(gateway: Gateway, services: Services, host: str, says: str) -> None:
    """What is not known too."""
    put(gateway, services, host, services.start("web")[0], says=says)
    assert gateway.get(host).status == 200


def test_the_annotation_stands_above_the_port(gateway: Gateway, services: Services, host: str) -> None:
    """Also where it says HTTP."""
    put(gateway, services, host, services.start("web")[0], says="https", backend_protocol="HTTP")
    assert gateway.get(host).status == 200


def test_fcgi_parameters_of_a_configmap(gateway: Gateway, services: Services, host: str) -> None:
    """A new value needs no reload; one that cannot be read is left out; without the ConfigMap the route is closed."""
    with FastCgi("cgi") as server:
        made = {
            "SCRIPT_FILENAME": "/srv$fastcgi_script_name",
            "APP_MODE": "live",
            "HTTP_HOST": "in.${http_x_own}",
            "BAD": "a;b",
        }

        def change(values: dict[str, str] | None) -> None:
            notes = {
                "backend-protocol": "FCGI", "fastcgi-index": "index.php", "fastcgi-params-configmap": "cgi",
            }  # fmt: skip
            held = [manifests.config_map(values, name="cgi", namespace=services.namespace)] if values else []
            ingress = services.ingress("web", rule(host, path("/", "web")), annotations=notes)
            gateway.apply(*services.of("web", [server]), ingress, *held, name="cgi.yaml", timeout=30)

        def told() -> dict[str, str]:
            answer = gateway.get(host, "/app/", headers=[("X-Own", "1")])
            return msgspec.json.decode(answer.body, type=fastcgi.Told).params

        change(made)
        gateway.eventually(host, status=200, timeout=30)
        found = told()
        assert (found["SCRIPT_FILENAME"], found["APP_MODE"]) == ("/srv/app/index.php", "live")
        assert (found["HTTP_HOST"], "BAD" in found) == ("in.1", False)
        before = gateway.reloads
        change({**made, "APP_MODE": "test"})
        assert (told()["APP_MODE"], gateway.reloads) == ("test", before)
        change(None)
        assert gateway.get(host).status == 503
