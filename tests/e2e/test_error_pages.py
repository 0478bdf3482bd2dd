"""Error pages (reference f.4): the default backend answers in the place of an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness import certs, http, http2, manifests, waiting
from harness.gateway import Gateway
from harness.manifests import Manifest, path, rule
from harness.services import Services

TOLD = (
    "X-Code",
    "X-Format",
    "X-Original-URI",
    "X-Namespace",
    "X-Ingress-Name",
    "X-Service-Name",
    "X-Service-Port",
)


class Site:
    """A host with a Service ``web`` and, beside it, a Service ``pages``."""

    def __init__(self, gateway: Gateway, services: Services, host: str) -> None:
        self.gateway, self.services, self.host = gateway, services, host
        (self.web,), (self.pages,) = services.start("web"), services.start("pages")

    def objects(self, service: str = "web", **annotations: str) -> list[Manifest]:
        """Give all objects; ``default-backend: pages`` unless said otherwise. Only ``web`` and ``pages`` exist."""
        named = {name.replace("_", "-"): value for name, value in annotations.items()}
        chosen = {name: value for name, value in ({"default-backend": "pages"} | named).items() if value}
        return [
            *self.services.of("web", [self.web]),
            *self.services.of("pages", [self.pages]),
            self.services.ingress("web", rule(self.host, path("/", service)), annotations=chosen),
        ]

    def serve(self, service: str = "web", **annotations: str) -> None:
        """Put them in force; that needs no reload."""
        reloads = self.gateway.reloads
        self.gateway.apply(*self.objects(service, **annotations), name=f"{self.host}.yaml")
        assert self.gateway.reloads == reloads

    def get(self, at: str = "/", **options: Any) -> http.Response:
        return self.gateway.get(self.host, at, **options)


@pytest.fixture
def site(gateway: Gateway, services: Services, host: str) -> Site:
    return Site(gateway, services, host)


def told(answer: http.Response) -> dict[str, str]:
    """Give what the default backend was told about the error."""
    return {name: found[0] for name in TOLD if (found := answer.echo.get(name))}


def upstreams(gateway: Gateway, request: str) -> list[str]:
    """Give what the access log says of the endpoints that a request was sent to."""

    def find() -> list[str]:
        lines = map(json.loads, gateway.access_log.read_text().splitlines())
        return [line["upstream"] for line in lines if line["request_id"] == request]

    return waiting.until(find, 10, 0.05, why="the line of the log")


# --- what a backend answers -----------------------------------------------------------------------------------------


def test_the_default_backend_is_told_what_happened(site: Site) -> None:
    """Method and query kept, path ``/``, no body, and who the request was for; what the client claims does not count."""
    site.serve(custom_http_errors="404,503")
    site.web.status = 404
    claimed = [
        ("X-Code", "200"),
        ("X-Namespace", "kube-system"),
        ("Accept", "text/html"),
        ("X-Request-ID", "r1"),
    ]
    answer = site.get("/a/b?x=1", method="POST", body=b"x" * 100, headers=[*claimed, ("Range", "bytes=0-1")])
    assert (answer.status, answer.backend) == (200, site.pages.id)
    echo = answer.echo
    assert (echo.method, echo.uri, echo.body_length) == ("POST", "/?x=1", 0)
    assert told(answer) == {
        "X-Code": "404", "X-Format": "text/html", "X-Original-URI": "/a/b?x=1", "X-Namespace": site.services.namespace,
        "X-Ingress-Name": "web", "X-Service-Name": "web", "X-Service-Port": "80",
    }  # fmt: skip
    assert (echo.get("Host"), echo.get("X-Request-ID")) == ([site.host], ["r1"])
    assert (echo.get("X-Forwarded-For"), echo.get("Content-Length")) == (["127.0.0.1"], ["0"])
    assert not any(echo.get(name) for name in ("Range", "Connection", "Upgrade", "Transfer-Encoding"))


def test_the_client_sees_the_status_of_the_page(site: Site) -> None:
    """Whatever it is; an error that the default backend itself answers is not replaced again."""
    site.serve(custom_http_errors="404,503")
    site.web.status = 404
    for status in (200, 418, 404, 503):
        site.pages.status = status
        before = site.pages.requests
        answer = site.get()
        assert (answer.status, answer.backend, site.pages.requests - before) == (status, site.pages.id, 1)


def test_other_errors_pass_whole(site: Site) -> None:
    """Only what is listed is held back."""
    site.serve(custom_http_errors="404,503")
    site.web.status = 500
    answer = site.get("/a")
    assert (answer.status, answer.backend, answer.echo.uri) == (500, site.web.id, "/a")


def test_a_default_backend_alone_holds_nothing_back(site: Site) -> None:
    """It is there for a Service without endpoints."""
    site.serve()
    site.web.status = 503
    assert site.get().backend == site.web.id


def test_a_list_that_nobody_had_before_costs_one_reload(site: Site) -> None:
    """What is held back stands in the configuration; the next route with that list has it for nothing."""
    before = site.gateway.reloads
    for _ in range(2):
        site.gateway.apply(*site.objects(custom_http_errors="404, 451,404"), name=f"{site.host}.yaml")
        site.web.status = 451
        site.gateway.eventually(site.host, status=200, backend=site.pages.id)
        site.serve()
        assert site.get().backend == site.web.id
        assert site.gateway.reloads == before + 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_over_http_2_it_is_the_same(site: Site, method: str) -> None:
    """With prior knowledge; a HEAD has no body."""
    site.serve(custom_http_errors="404,503")
    site.web.status = 404
    with http2.Connection(site.gateway.http_port) as connection:
        answer = connection.ask("/a", host=site.host, method=method)
        again = connection.ask("/a", host=site.host, method=method)
    assert (answer.status, answer.backend, again.backend) == (200, site.pages.id, site.pages.id)
    assert bool(answer.body) == (method != "HEAD")


def test_over_tls_it_is_the_same(site: Site) -> None:
    """The page's backend is told of https."""
    site.serve(custom_http_errors="404,503")
    site.web.status = 404
    answer = site.gateway.get_tls(site.host, "/a", tls=certs.credulous())
    assert (answer.backend, answer.echo.get("X-Forwarded-Proto")) == (site.pages.id, ["https"])


def test_the_connection_to_the_client_goes_on(site: Site) -> None:
    """Also after a body that nobody needed."""
    site.serve(custom_http_errors="404,503")
    site.web.status = 404
    with http.Connection(site.gateway.http_port) as connection:
        for _ in range(3):
            answer = connection.ask("/a", host=site.host, method="POST", body=b"x" * 200_000)
            assert (answer.status, answer.backend) == (200, site.pages.id)


# --- what the gateway answers ---------------------------------------------------------------------------------------


def test_errors_of_the_gateway_count_too(site: Site) -> None:
    """No connection (502) and a network that is not allowed (403): the protected Service itself is never asked."""
    site.serve(
        custom_http_errors="403,502",
        allowlist_source_range="10.0.0.0/8",
        disable_proxy_intercept_errors="true",
    )
    answer = site.get("/a", method="POST", body=b"x" * 500_000)
    assert (answer.backend, told(answer)["X-Code"], answer.echo.body_length) == (site.pages.id, "403", 0)
    site.serve(custom_http_errors="403,502", disable_proxy_intercept_errors="true")
    site.web.refuse()
    answer = site.get("/a", method="POST", body=b"x" * 500_000)
    assert (answer.backend, told(answer)["X-Code"]) == (site.pages.id, "502")
    assert site.web.requests == 0


def test_a_backend_that_is_too_slow_counts(site: Site) -> None:
    """504, after the time that the route allows."""
    site.serve(custom_http_errors="504", proxy_read_timeout="1", disable_proxy_intercept_errors="true")
    site.web.delay = 3
    answer = site.get("/a")
    assert (answer.backend, told(answer)["X-Code"]) == (site.pages.id, "504")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", ["", "1m"])
def test_a_body_that_is_too_large_is_not_passed_on(site: Site, size: str, *, chunked: bool) -> None:
    """With a length it is not even read; without one it is cut off where the limit is."""
    site.serve(
        custom_http_errors="413,502",
        disable_proxy_intercept_errors="true",
        **({"proxy_body_size": size} if size else {}),
    )
    body = b"x" * 3_000_000
    if chunked:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    headers = [("Transfer-Encoding", "chunked")] if chunked else []
    answer = site.get("/a", method="PUT", body=body, headers=headers)
    assert (answer.status, answer.backend, told(answer)["X-Code"]) == (200, site.pages.id, "413")
    assert (answer.echo.body_length, site.web.requests) == (0, 0)


def test_with_interception_off_only_errors_of_the_gateway_count(site: Site) -> None:
    """What the backend answers passes whole, at no cost."""
    site.serve(custom_http_errors="503,404", disable_proxy_intercept_errors="true")
    site.web.status = 404
    assert (site.get().status, site.get().backend) == (404, site.web.id)
    site.serve(
        "none", custom_http_errors="503,404", disable_proxy_intercept_errors="true", default_backend=""
    )
    assert (site.get().status, site.get().backend) == (503, None)


def test_a_denied_route_stays_closed(site: Site) -> None:
    """Its 503 may have a page, which is another Service's."""
    site.serve(custom_http_errors="404,503", allowlist_source_range="nonsense")
    answer = site.get("/a")
    assert (answer.backend, told(answer)["X-Code"]) == (site.pages.id, "503")


# --- no endpoints ---------------------------------------------------------------------------------------------------


def test_a_default_backend_takes_over_where_there_are_no_endpoints(site: Site) -> None:
    """The request reaches it as it was, with what an error page is told but for the original URI."""
    site.serve("none")
    answer = site.get("/a?x=1", method="POST", body=b"12345", headers=[("X-Code", "1"), ("Accept", "a/b")])
    assert (answer.status, answer.backend) == (200, site.pages.id)
    assert (answer.echo.method, answer.echo.uri, answer.echo.body_length) == ("POST", "/a?x=1", 5)
    assert told(answer) == {
        "X-Code": "503", "X-Format": "a/b", "X-Namespace": site.services.namespace, "X-Ingress-Name": "web",
        "X-Service-Name": "none", "X-Service-Port": "80",
    }  # fmt: skip


def test_the_own_service_takes_back_as_soon_as_it_has_endpoints(site: Site) -> None:
    """And gives way as soon as it has none."""
    gateway, services = site.gateway, site.services
    objects = site.objects()
    file = gateway.apply(*objects)
    assert site.get().backend == site.web.id
    gateway.apply(manifests.service("web", namespace=services.namespace), *objects[2:], name=file)
    assert site.get().backend == site.pages.id
    gateway.apply(*objects, name=file)
    answer = site.get()
    assert (answer.backend, answer.echo.get("X-Code")) == (site.web.id, [])


def test_an_allow_list_holds_where_a_default_backend_takes_over(site: Site) -> None:
    """It takes the place of the Service, not of the policies."""
    site.serve("none", allowlist_source_range="10.0.0.0/8")
    assert site.get().status == 403


def test_a_canary_keeps_its_share_where_a_default_backend_takes_over(site: Site) -> None:
    """The rest goes to the default backend; nothing is answered 503."""
    (fresh,) = site.services.start("fresh")
    canary = {"canary": "true", "canary-by-header": "X-Canary", "default-backend": "fresh"}
    site.gateway.apply(
        *site.objects("none"),
        *site.services.of("fresh", [fresh]),
        site.services.ingress("fresh", rule(site.host, path("/", "fresh")), annotations=canary),
    )
    always = site.get(headers=[("X-Canary", "always")])
    assert (always.backend, told(always)) == (fresh.id, {})
    assert site.get(headers=[("X-Canary", "never")]).backend == site.pages.id


def test_errors_of_a_canary_have_the_page_of_the_route(site: Site) -> None:
    """Whichever of the two made them, the Service is named that the route has."""
    (fresh,) = site.services.start("fresh")
    fresh.status = 404
    canary = {"canary": "true", "canary-weight": "100"}
    site.gateway.apply(
        *site.objects(custom_http_errors="404,503"),
        *site.services.of("fresh", [fresh]),
        site.services.ingress("fresh", rule(site.host, path("/", "fresh")), annotations=canary),
    )
    answer = site.get("/a")
    assert (answer.backend, told(answer)["X-Service-Name"], fresh.requests) == (site.pages.id, "web", 1)


# --- when there is nobody to ask ------------------------------------------------------------------------------------


def test_a_dead_default_backend_leaves_the_error_as_it_was(site: Site) -> None:
    """Not 502 over it, and no loop."""
    site.serve(custom_http_errors="404,500,502,503,504")
    site.web.status = 404
    site.pages.refuse()
    answer = site.get("/a", headers=[("X-Request-ID", f"dead-{site.host}")])
    assert (answer.status, answer.backend, answer.get("Content-Type")) == (404, None, "text/html")
    assert "404 Not Found" in answer.text
    web, pages = (f"{backend.address}:{backend.port}" for backend in (site.web, site.pages))
    waiting.until(lambda: upstreams(site.gateway, f"dead-{site.host}"), 5)
    # Asked once, as often as the route may try: three times.
    assert upstreams(site.gateway, f"dead-{site.host}") == [f"{web} : {pages}, {pages}, {pages}"]


@pytest.mark.parametrize("name", ["missing", "idle"])
def test_a_default_backend_without_endpoints_is_none(site: Site, name: str) -> None:
    """The built-in answer holds, with its Retry-After."""
    idle = manifests.service("idle", namespace=site.services.namespace)
    site.gateway.apply(idle, *site.objects("none", default_backend=name, custom_http_errors="404,503"))
    answer = site.get()
    assert (answer.status, answer.backend, answer.get("Retry-After")) == (503, None, "5")


def test_without_any_default_backend_nothing_is_held_back(site: Site) -> None:
    """What is held back for nobody would only be lost."""
    site.serve(custom_http_errors="404", default_backend="")
    site.web.status = 404
    assert site.get().backend == site.web.id


def test_a_grpc_call_gets_no_page(site: Site) -> None:
    """Its client could not read it: a status that it understands is better."""
    site.serve("none", custom_http_errors="404,503")
    answer = site.get("/a/b", method="POST", headers=[("Content-Type", "application/grpc")])
    assert (answer.status, answer.get("grpc-status"), answer.backend) == (200, "14", None)


# --- for all routes -------------------------------------------------------------------------------------------------


def test_the_configmap_and_the_flag_are_for_all_routes(services: Services, host: str) -> None:
    """Routes without annotations stay in the default location; an annotation's list replaces the ConfigMap's."""
    (web,), (pages,) = services.start("web"), services.start("pages")
    with Gateway(
        [
            manifests.config_map({"custom-http-errors": "404,502,503"}),
            *services.of("web", [web]),
            *services.of("pages", [pages]),
            services.ingress("web", rule(host, path("/", "web"), path("/none", "none"))),
            services.ingress(
                "own", rule(f"own.{host}", path("/", "web")), annotations={"custom-http-errors": "503"}
            ),
            services.ingress(
                "open",
                rule(f"open.{host}", path("/", "web")),
                annotations={"disable-proxy-intercept-errors": "true"},
            ),
        ],
        args=[f"--default-backend-service={services.namespace}/pages"],
    ) as gateway:
        gateway.eventually(f"own.{host}", status=200)
        web.status = 404
        assert gateway.get(host, "/a").backend == pages.id
        # An unusual Connection header takes a location of its own.
        assert gateway.get(host, "/a", headers=[("Connection", "X-Odd")]).backend == pages.id
        # So does what may stream.
        assert gateway.get(host, "/a", headers=[("Accept", "text/event-stream")]).backend == pages.id
        none = gateway.get(host, "/none")
        assert (none.backend, told(none)["X-Code"], none.echo.uri) == (pages.id, "503", "/")
        assert gateway.get(f"own.{host}").backend == web.id
        gateway.eventually(f"open.{host}", status=404, backend=web.id)
        web.refuse()
        assert told(gateway.get(f"open.{host}"))["X-Code"] == "502"
        assert gateway.get(f"own.{host}").status == 502
        # Nobody's host: the default backend itself, not a page of it.
        nobody = gateway.get(f"nobody.{host}", "/x")
        assert (nobody.backend, nobody.echo.uri, told(nobody)) == (pages.id, "/x", {})
        pages.refuse()
        last = gateway.get(host, "/none")
        assert (last.status, last.backend, last.get("Retry-After")) == (503, None, "5")


def test_commands_show_error_pages(site: Site) -> None:
    """``routes`` names list and backend; ``explain`` says who is asked, with a dead controller, too."""
    site.serve("none", custom_http_errors="403,503", allowlist_source_range="10.0.0.0/8",
               disable_proxy_intercept_errors="true")  # fmt: skip
    pages = f"{site.services.namespace}/pages/*"
    (row,) = json.loads(site.gateway.run("routes", site.host, "--output", "json").stdout)["routes"]
    assert (row["settings"]["custom_errors"], row["settings"]["default_backend"]) == ([403, 503], pages)
    said = site.gateway.run("explain", "GET", f"http://{site.host}/a?x=1", "--output", "json").stdout
    decision = json.loads(said)["decision"]
    assert (decision["answer"], decision["status"], decision["backend"]) == ("error page", 403, pages)
    call = ("-H", "Content-Type: application/grpc", "--output", "json")
    said = site.gateway.run("explain", "POST", f"http://{site.host}/a", *call).stdout
    assert json.loads(said)["decision"]["grpc_status"] == 14
