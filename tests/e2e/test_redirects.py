"""Redirects of hosts and roots, and the prefix that a rewrite took away (reference a.1)."""

from __future__ import annotations

import pytest

from harness import http
from harness.gateway import Gateway
from harness.manifests import path, rule
from harness.services import Services


def where(answer: http.Response) -> tuple[int, str | None]:
    return answer.status, answer.get("Location")


def test_the_root_leads_elsewhere_and_nothing_else_does(
    gateway: Gateway, services: Services, host: str
) -> None:
    """With the scheme and the host that the client used; dots and encodings of the root too."""
    gateway.apply(
        *services.make("web"),
        services.ingress("web", rule(host, path("/", "web")), annotations={"app-root": "/app/index"}),
    )
    assert where(gateway.get(host)) == (302, f"http://{host}/app/index")
    assert where(gateway.get(host, "/x/..")) == (302, f"http://{host}/app/index")
    assert where(gateway.get(f"{host}:8080", "/?a=b")) == (302, f"http://{host}:8080/app/index")
    assert gateway.get(host, "/app/index").status == 200


def test_a_temporal_redirect_answers_everything(gateway: Gateway, services: Services, host: str) -> None:
    """With its code."""
    gateway.apply(
        *services.make("web"),
        services.ingress(
            "web",
            rule(host, path("/", "web")),
            annotations={"temporal-redirect": "https://x.example/y", "temporal-redirect-code": "307"},
        ),
    )
    assert where(gateway.get(host, "/any?thing")) == (307, "https://x.example/y")


@pytest.mark.parametrize("relative", ["true", "false"])
def test_the_redirect_that_adds_a_slash_is_relative_where_that_is_asked_for(
    gateway: Gateway, services: Services, host: str, relative: str
) -> None:
    """Behind a proxy that changes scheme or port, only that leads back."""
    gateway.apply(
        *services.make("web"),
        services.ingress("web", rule(host, path("/a/", "web")), annotations={"relative-redirects": relative}),
    )
    start = "" if relative == "true" else f"http://{host}"
    assert where(gateway.get(host, "/a?b=c")) == (301, f"{start}/a/?b=c")


def test_a_backend_is_told_the_prefix_that_a_rewrite_took_away(
    gateway: Gateway, services: Services, host: str
) -> None:
    """With captures of the path, whatever the client says."""
    gateway.apply(
        *services.make("web"),
        services.ingress(
            "web",
            rule(host, path("/api/(v[0-9]+)/(.*)", "web", kind="ImplementationSpecific")),
            annotations={"rewrite-target": "/$2", "x-forwarded-prefix": "/api/$1"},
        ),
    )
    echo = gateway.get(host, "/api/v2/items?q=1", headers=[("X-Forwarded-Prefix", "/evil")]).echo
    assert (echo.uri, echo.get("X-Forwarded-Prefix")) == ("/items?q=1", ["/api/v2"])
