"""gRPC calls that the gateway answers itself get an answer that gRPC clients understand: trailers-only, the right status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from harness import certs, http2, manifests, waiting
from harness.gateway import Gateway
from harness.manifests import Manifest, path, rule
from harness.services import Services

Status: Any = grpc.StatusCode
Site = Callable[..., Manifest]


def call(port: int, host: str, message: bytes = b"", *, root: bytes = b"") -> tuple[object, str]:
    """Make a unary call that fails; give its status and message. With a root certificate: over TLS."""
    options = [("grpc.default_authority", host), ("grpc.enable_retries", 0)]
    target = f"127.0.0.1:{port}"
    if root:
        credentials = grpc.ssl_channel_credentials(root)
        channel = grpc.secure_channel(
            target, credentials, [*options, ("grpc.ssl_target_name_override", host)]
        )
    else:
        channel = grpc.insecure_channel(target, options)
    with channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/shop.Cart/Add", bytes, bytes)(message, timeout=10)
    return caught.value.code(), caught.value.details()


@pytest.fixture
def site(services: Services, host: str) -> Site:
    """Make an Ingress of one path with these annotations."""

    def make(service: str = "web", **annotations: str) -> Manifest:
        named = {name.replace("_", "-"): value for name, value in annotations.items()}
        return services.ingress(service, rule(host, path("/", service)), annotations=named)

    return make


def test_an_unknown_host_is_unimplemented(gateway: Gateway, host: str) -> None:
    """As 404 is for gRPC."""
    assert call(gateway.http_port, host) == (
        Status.UNIMPLEMENTED,
        "no route leads to this host and method (HTTP 404)",
    )


def test_no_endpoints_are_unavailable(gateway: Gateway, services: Services, host: str, site: Site) -> None:
    """And a missing Service is."""
    gateway.apply(manifests.service("web", namespace=services.namespace), site())
    assert call(gateway.http_port, host) == (Status.UNAVAILABLE, "unavailable (HTTP 503)")
    gateway.apply(site("gone"))


@pytest.mark.parametrize(
    ("annotations", "status"),
    [
        ({"allowlist_source_range": "10.0.0.0/8"}, Status.PERMISSION_DENIED),
        ({"allowlist_source_range": "nonsense"}, Status.UNAVAILABLE),
        ({"proxy_body_size": "1m"}, Status.RESOURCE_EXHAUSTED),
        ({}, Status.RESOURCE_EXHAUSTED),
        ({"permanent_redirect": "https://new.example/x"}, Status.UNKNOWN),
        ({"force_ssl_redirect": "true"}, Status.UNKNOWN),
    ],
)
def test_each_refusal_has_a_status(
    gateway: Gateway, services: Services, host: str, site: Site, annotations: dict[str, str], status: object
) -> None:
    """The one that a client would derive from the HTTP status, but for messages that are too large."""
    gateway.apply(*services.make("web"), site(**annotations))
    assert call(gateway.http_port, host, b"x" * (2 * 1024**2))[0] is status


def test_a_redirect_tells_where_it_would_lead(
    gateway: Gateway, services: Services, host: str, site: Site
) -> None:
    """No gRPC client follows it, so that a person has to."""
    gateway.apply(*services.make("web"), site(force_ssl_redirect="true"))
    assert call(gateway.http_port, host)[1] == f"redirected to https://{host}/shop.Cart/Add (HTTP 308)"


def test_a_backend_that_refuses_is_unavailable(
    gateway: Gateway, services: Services, host: str, site: Site
) -> None:
    """What nginx itself notices is answered like what was decided before."""
    (dead,) = instances = services.start("web")
    dead.refuse()
    gateway.apply(*services.of("web", instances), site())
    assert call(gateway.http_port, host) == (Status.UNAVAILABLE, "no backend could be reached (HTTP 502)")


def test_a_backend_that_says_nothing_is_unavailable(
    gateway: Gateway, services: Services, host: str, site: Site
) -> None:
    """Not DEADLINE_EXCEEDED: that is about the client's own deadline."""
    (slow,) = instances = services.start("web")
    slow.delay = 5
    gateway.apply(*services.of("web", instances), site(proxy_read_timeout="1"))
    assert call(gateway.http_port, host) == (
        Status.UNAVAILABLE,
        "the backend did not answer in time (HTTP 504)",
    )


def test_over_tls_it_is_the_same(
    gateway: Gateway, services: Services, host: str, authority: certs.Authority
) -> None:
    """Before and behind the router."""
    pair = authority.issue(host)
    (dead,) = instances = services.start("dead")
    dead.refuse()
    rules = rule(host, path("/", "dead"), path("/shop.Cart", "none"))
    gateway.apply(
        *services.of("dead", instances),
        manifests.tls_secret("cert", pair, namespace=services.namespace),
        services.ingress("web", rules, tls=[([host], "cert")]),
    )
    root = authority.pem.encode()
    assert call(gateway.https_port, host, root=root) == (Status.UNAVAILABLE, "unavailable (HTTP 503)")


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc+proto", "application/grpc;x=y"])
def test_the_answer_is_one_frame(gateway: Gateway, host: str, kind: str) -> None:
    """Trailers-only: status and headers in the frame that ends the stream; no body, on HTTP/1.1 neither."""
    with http2.Connection(gateway.http_port) as connection:
        answer = connection.ask("/a/b", host=host, method="POST", headers=[("content-type", kind)])
    assert (answer.status, answer.body) == (200, b"")
    assert (answer.get("content-type"), answer.get("grpc-status")) == ("application/grpc", "12")
    plain = gateway.get(host, method="POST", headers=[("Content-Type", kind)])
    assert (plain.status, plain.get("grpc-status"), plain.body) == (200, "12", b"")


@pytest.mark.parametrize(
    "kind", ["application/grpc-web", "application/grpc-web+proto", "application/json", "grpc"]
)
def test_other_content_types_get_http_errors(gateway: Gateway, host: str, kind: str) -> None:
    """gRPC-Web too: its clients are browsers."""
    answer = gateway.get(host, method="POST", headers=[("Content-Type", kind)])
    assert (answer.status, answer.get("grpc-status")) == (404, None)


def test_a_grpc_backend_that_is_down_is_unavailable(
    gateway: Gateway, services: Services, host: str, site: Site
) -> None:
    """Where nginx speaks gRPC to the backend, what it finds is answered in the same way."""
    (dead,) = instances = services.start("web")
    dead.refuse()
    # Lists of error pages are for other clients.
    annotations = {"backend_protocol": "GRPC", "custom_http_errors": "502,503,504", "default_backend": "none"}
    gateway.apply(*services.of("web", instances), site(**annotations))
    # It needs a reload, and workers of the generation before do not know the host.
    wanted = (Status.UNAVAILABLE, "no backend could be reached (HTTP 502)")
    waiting.until(lambda: call(gateway.http_port, host) == wanted, 10)


def test_a_grpc_backend_that_is_none_is_unavailable(
    gateway: Gateway, services: Services, host: str, site: Site
) -> None:
    """One that answers in HTTP/1 breaks the protocol: 502."""
    gateway.apply(*services.make("web"), site(backend_protocol="GRPC"))
    assert call(gateway.http_port, host) == (Status.UNAVAILABLE, "no backend could be reached (HTTP 502)")
