"""Answers that the gateway makes itself: nginx's pages for HTTP, a status in the header for gRPC."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import http, waiting
from harness.backends import Backends
from harness.dataplane import DataPlane, simple
from tidegate.model import Backend, Endpoint

GRPC = [("Content-Type", "application/grpc")]


@pytest.fixture(scope="module")
def backends() -> Iterator[Backends]:
    with Backends() as pool:
        yield pool


@pytest.fixture(scope="module")
def plane() -> Iterator[DataPlane]:
    with DataPlane(workers=1) as running:
        yield running


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (400, 13), (401, 16), (403, 7), (404, 12), (405, 2), (408, 2), (413, 8), (421, 2), (429, 14), (500, 2), (502, 14),
        (503, 14), (504, 14), (301, 2), (302, 2), (303, 2), (307, 2), (308, 2),
    ],
)  # fmt: skip
def test_each_http_status_has_its_grpc_status(plane: DataPlane, code: int, status: int) -> None:
    """By gRPC's own table of intermediaries' answers; 413 is RESOURCE_EXHAUSTED."""
    plane.push(simple("code.example.com", "code", [("127.0.0.1", 9)], settings={"redirect": [code, "/x"]}))
    answer = http.get(plane.http, "/", host="code.example.com", headers=GRPC)
    assert (answer.status, answer.get("grpc-status"), answer.body) == (200, str(status), b"")
    assert answer.get("Content-Type") == "application/grpc"
    assert (answer.get("grpc-message") or "").endswith(f"(HTTP {code})")


def test_a_message_is_percent_encoded(plane: DataPlane) -> None:
    """All but printable ASCII, and the percent sign."""
    url = "https://x.example/ä%\t~"
    plane.push(simple("text.example.com", "text", [("127.0.0.1", 9)], settings={"redirect": [308, url]}))
    answer = http.get(plane.http, "/", host="text.example.com", headers=GRPC)
    assert answer.get("grpc-message") == "redirected to https://x.example/%C3%A4%25%09~ (HTTP 308)"


def test_what_may_end_soon_asks_to_come_back(plane: DataPlane, backends: Backends) -> None:
    """Without endpoints, there may be some in a moment; a denied route stays denied."""
    plane.push(simple("empty.example.com", "empty", []))
    empty = http.get(plane.http, "/", host="empty.example.com")
    assert (empty.status, empty.get("Retry-After")) == (503, "5")
    plane.push(simple("shut.example.com", "shut", [("127.0.0.1", 9)], deny="a reason"))
    denied = http.get(plane.http, "/", host="shut.example.com")
    assert (denied.status, denied.get("Retry-After")) == (503, None)
    (one,) = backends.group("busy", 1)
    plane.push(simple("busy.example.com", "busy", [(one.address, one.port)]))
    own = http.get(plane.http, "/?status=503", host="busy.example.com")
    assert (own.status, own.get("Retry-After"), own.backend) == (503, None, one.id)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_pages_name_no_version(plane: DataPlane, method: str) -> None:
    """What the router decides and what nginx decides look alike, and neither says how old the server is."""
    plane.push(simple("dead.example.com", "dead", [("127.0.0.1", 9)]))
    for host, status in (("nobody.example.com", 404), ("dead.example.com", 502)):
        answer = http.get(plane.http, "/", host=host, method=method)
        assert (answer.status, answer.get("Content-Type")) == (status, "text/html")
        assert answer.get("Server") == "nginx"
        assert (f"{status} " in answer.text and "nginx</center>" in answer.text) == (method != "HEAD")
        assert answer.get("Connection") == "keep-alive"


def test_a_request_that_is_none_is_answered_400(plane: DataPlane) -> None:
    """It has no URI, with which nginx could jump to a page."""
    with http.Connection(plane.http) as connection:
        connection.send(b"nonsense\r\n\r\n")
        assert connection.receive().status == 400
    for target, status in (("/%00", 400), ("/" + "x" * 40000, 414)):
        assert http.get(plane.http, target, host="a.example.com", headers=GRPC).status == status


def test_errors_while_draining_are_the_same(backends: Backends) -> None:
    """Trailers-only for gRPC, a page where there is one; the connection ends after them."""
    (pages,) = backends.group("drain-pages", 1)
    told = {"custom_errors": [403], "default_backend": "ns/pages/*", "allow": ["10.0.0.0/8"]}
    with DataPlane(workers=1) as plane:
        plane.push({"b/ns/pages/*": Backend((Endpoint(pages.address, pages.port),))})
        plane.push(simple("shut.example.com", "shut", [("127.0.0.1", 9)], settings=told))
        assert plane.ask("POST", "/draining")[0] == 200
        waiting.until(lambda: http.get(plane.http, "/", host="n.example.com").get("Connection") == "close", 5)
        call = http.get(plane.http, "/", host="shut.example.com", headers=GRPC)
        assert (call.status, call.get("grpc-status"), call.get("Connection")) == (200, "7", "close")
        page = http.get(plane.http, "/a", host="shut.example.com")
        assert (page.backend, page.echo.get("X-Code"), page.get("Connection")) == (pages.id, ["403"], "close")
