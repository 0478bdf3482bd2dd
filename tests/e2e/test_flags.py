"""What the flags of ``tidegate run`` decide about objects and about what nobody claims."""

from __future__ import annotations

import pytest

from harness import manifests
from harness.backends import Backends
from harness.gateway import Gateway
from harness.manifests import path, rule
from harness.services import Services


def test_a_default_backend_service_gets_what_no_rule_matches(pool: Backends) -> None:
    """Unknown hosts, and unknown paths of known hosts."""
    services = Services(pool, "fallback")
    objects = [*services.make("rest", "web"), services.ingress("web", rule("a.example", path("/web", "web")))]
    with Gateway(objects, args=["--default-backend-service", "fallback/rest"]) as gateway:
        assert gateway.get("a.example", "/web").backend == services.instance("web")
        assert gateway.get("a.example", "/else").backend == services.instance("rest")
        assert gateway.get("b.example", "/any").echo.uri == "/any"


def test_in_a_folder_with_classes_only_our_own_count(pool: Backends) -> None:
    """By the controller of the class; one without a class is not ours if the flag says so."""
    services = Services(pool, "classes")
    hosts = {"nginx": 404, "ours": 200, "foreign": 404, None: 404}
    objects = [
        *services.make("web"),
        manifests.ingress_class("ours", "k8s.io/ingress-nginx"),
        manifests.ingress_class("foreign", "example.com/other"),
        *(services.ingress(f"i-{n}", rule(f"{n}.example", path("/", "web")), ingress_class=n) for n in hosts),
    ]
    with Gateway(objects, args=["--watch-ingress-without-class=false"]) as gateway:
        assert {n: gateway.get(f"{n}.example").status for n in hosts} == hosts


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (["--watch-namespace", "scope"], {"one": 200, "two": 404}),
        (["--annotations-prefix", "example.com"], {"one": 200, "two": 200}),
    ],
)
def test_flags_narrow_what_counts(pool: Backends, args: list[str], status: dict[str, int]) -> None:
    """One namespace only; or annotations by another prefix only."""
    first, second = Services(pool, "scope"), Services(pool, "scope-other")
    wish = {"permanent-redirect": "https://else.example/"} if "example.com" in args else {}
    objects = [
        *first.make("web"),
        *second.make("web"),
        first.ingress("one", rule("one.example", path("/", "web")), annotations=wish),
        second.ingress("two", rule("two.example", path("/", "web"))),
    ]
    with Gateway(objects, args=args) as gateway:
        assert {n: gateway.get(f"{n}.example").status for n in status} == status


def test_endpoints_on_this_machine_count_only_where_the_operator_wants_it(pool: Backends) -> None:
    """In a folder they do by default; a flag says otherwise."""
    services = Services(pool, "loop")
    objects = [*services.make("web"), services.ingress("web", rule("loop.example", path("/", "web")))]
    with Gateway(objects, args=["--allow-loopback-endpoints=false"]) as gateway:
        assert gateway.get("loop.example").status == 503


def test_flags_come_from_variables_too(pool: Backends) -> None:
    """A flag itself wins over its variable."""
    services = Services(pool, "variables")
    objects = [*services.make("rest")]
    variables = {"TIDEGATE_DEFAULT_BACKEND_SERVICE": "variables/rest", "TIDEGATE_HTTP_PORT": "1"}
    with Gateway(objects, env=variables) as gateway:
        assert gateway.get("any.example").backend == services.instance("rest")
