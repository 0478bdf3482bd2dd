"""Redirects and cookies of backends, rewritten on their way to the client."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from harness.backends import Backends
from harness.gateway import Gateway
from harness.manifests import path, rule
from harness.services import Services

HOST, PLAIN = "rewriting.example", "plain.example"


@pytest.fixture(scope="module")
def gateway(pool: Backends) -> Iterator[Gateway]:
    services = Services(pool, "answers")
    notes = {
        "proxy-redirect-from": "http://inside.example/app/",
        "proxy-redirect-to": "/",
        "proxy-cookie-domain": "inside.example outside.example",
        "proxy-cookie-path": "/app/ /",
    }
    objects = [
        *services.make("web"),
        services.ingress("web", rule(HOST, path("/", "web")), annotations=notes),
        services.ingress("plain", rule(PLAIN, path("/", "web"))),
    ]
    with Gateway(objects) as started:
        yield started


def told(gateway: Gateway, host: str, *headers: str, status: int = 200) -> list[tuple[str, str]]:
    query = "&".join(f"header={quote(header)}" for header in headers)
    names = {header.partition(":")[0] for header in headers}
    answer = gateway.get(host, f"/?status={status}&{query}")
    assert answer.status == status
    return [(name, value) for name, value in answer.headers if name in names]


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("http://inside.example/app/x?y=1", f"http://{HOST}/x?y=1"),
        ("http://other.example/app/x", "http://other.example/app/x"),
        ("/app/x", "/app/x"),
    ],
)
def test_a_redirect_of_the_backend(gateway: Gateway, sent: str, seen: str) -> None:
    """The beginning is replaced where it is the one."""
    assert told(gateway, HOST, f"Location:{sent}", status=302) == [("Location", seen)]
    assert told(gateway, HOST, f"Refresh:5; url={sent}") == [("Refresh", f"5; url={seen}")]
    assert told(gateway, PLAIN, f"Location:{sent}", status=302) == [("Location", sent)]


def test_cookies_of_the_backend(gateway: Gateway) -> None:
    """Each alone; domain and path of others stay, and so does what only looks like an attribute."""
    sent = [
        "a=path=/app/; Path=/app/x; Domain=.INSIDE.example; HttpOnly",
        "b=1; domain=other.example; path=/application",
        "c=1",
    ]
    seen = [value for _, value in told(gateway, HOST, *(f"Set-Cookie:{cookie}" for cookie in sent))]
    assert seen == ["a=path=/app/; path=/x; domain=outside.example; HttpOnly", *sent[1:]]
    assert [v for _, v in told(gateway, PLAIN, *(f"Set-Cookie:{c}" for c in sent))] == sent
