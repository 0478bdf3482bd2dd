"""Which backend a request reaches: hosts, paths, conflicts, default backends, classes (reference g.1, g.2, g.4 to g.7)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.backends import Backends
from harness.gateway import Gateway
from harness.manifests import path, rule
from harness.services import Services

PATHS = (
    ("/exact", "Exact", "exact"),
    ("/prefix", "Prefix", "prefix"),
    ("/prefix/longer", "Prefix", "longer"),
    ("/both", "Exact", "both-exact"),
    ("/both", "Prefix", "both-prefix"),
    ("/impl", "ImplementationSpecific", "impl"),
    ("/kindless", None, "kindless"),
    ("/", "Prefix", "root"),
)


@pytest.fixture(scope="module")
def shop(gateway: Gateway, pool: Backends) -> str:
    """Give a host with one path of each kind, each to a Service named for it."""
    services = Services(pool, "paths")
    names = [name for _, _, name in PATHS]
    rules = rule("paths.example", *(path(at, name, kind=kind) for at, kind, name in PATHS))
    gateway.apply(*services.make(*names), services.ingress("paths", rules))
    return "paths.example"


@pytest.mark.parametrize(
    ("uri", "service"),
    [
        ("/exact", "exact"),
        ("/exact?q=1", "exact"),
        ("/exact/", "root"),
        ("/exactly", "root"),
        ("/EXACT", "root"),
        ("/prefix", "prefix"),
        ("/prefix/", "prefix"),
        ("/prefix/a/b", "prefix"),
        ("/prefixed", "root"),
        ("/prefix/longer", "longer"),
        ("/prefix/longer/x", "longer"),
        ("/prefix/longerx", "prefix"),
        ("/both", "both-exact"),
        ("/both/x", "both-prefix"),
        ("/impl/x", "impl"),
        ("/kindless/x", "kindless"),
        ("/", "root"),
        ("/other", "root"),
        ("//prefix///a", "prefix"),
        ("/%70refix/a", "prefix"),
        ("/x/../prefix/a", "prefix"),
        ("/prefix/../exact", "exact"),
        ("/prefix/%2e%2e/exact", "exact"),
    ],
)
def test_a_path_reaches_the_service_that_claims_it(
    gateway: Gateway, shop: str, uri: str, service: str
) -> None:
    """The path compared is the decoded, normalized one; exact wins, then the longest prefix."""
    answer = gateway.get(shop, uri)
    assert (answer.status, answer.backend) == (200, f"paths-{service}-0")


def test_the_backend_receives_the_uri_as_it_was_sent(gateway: Gateway, shop: str) -> None:
    """Normalization is for choosing only."""
    assert gateway.get(shop, "//prefix/%41?x=%2F&y").echo.uri == "//prefix/%41?x=%2F&y"


def test_a_prefix_with_a_slash_redirects_the_path_without(
    gateway: Gateway, services: Services, host: str
) -> None:
    """As nginx does when nothing else claims it."""
    gateway.apply(*services.make("web"), services.ingress("web", rule(host, path("/dir/", "web"))))
    assert gateway.get(host, "/dir/x").status == 200
    answer = gateway.get(host, "/dir")
    assert answer.status == 301
    assert (answer.get("Location") or "").endswith("/dir/")


def test_a_path_that_nothing_claims_is_404(gateway: Gateway, services: Services, host: str) -> None:
    """From the built-in default backend."""
    gateway.apply(*services.make("web"), services.ingress("web", rule(host, path("/only", "web"))))
    assert gateway.get(host, "/else").status == 404


@pytest.mark.parametrize("name", ["unknown.example", "127.0.0.1", "a"])
def test_an_unknown_host_is_404(gateway: Gateway, name: str) -> None:
    """Whatever it is."""
    assert gateway.get(name).status == 404


def test_a_wildcard_takes_exactly_one_label_and_an_exact_name_wins(
    gateway: Gateway, services: Services, host: str
) -> None:
    """Neither the bare domain nor two labels."""
    gateway.apply(
        *services.make("wild", "exact"),
        services.ingress("wild", rule(f"*.{host}", path("/", "wild"))),
        services.ingress("exact", rule(f"a.{host}", path("/exact", "exact"))),
    )
    assert gateway.get(f"b.{host}").backend == services.instance("wild")
    assert gateway.get(f"a.{host}", "/exact").backend == services.instance("exact")
    # The exact name does not borrow the wildcard's paths.
    assert gateway.get(f"a.{host}", "/else").status == 404
    assert gateway.get(host).status == 404
    assert gateway.get(f"c.b.{host}").status == 404


def test_case_port_and_a_final_dot_of_the_host_do_not_matter(
    gateway: Gateway, services: Services, host: str
) -> None:
    """The name is compared without them."""
    gateway.apply(*services.make("web"), services.ingress("web", rule(host, path("/", "web"))))
    for written in (host.upper(), f"{host}:8080", f"{host}."):
        assert gateway.get(written).status == 200, written


def test_an_ingress_may_write_its_host_in_any_case(gateway: Gateway, services: Services, host: str) -> None:
    """Kubernetes would refuse it; a folder has no Kubernetes before it."""
    gateway.apply(*services.make("web"), services.ingress("web", rule(host.upper(), path("/", "web"))))
    assert gateway.get(host).status in {200, 404}


def test_an_empty_host_catches_any_host_that_is_not_known(
    gateway: Gateway, services: Services, host: str
) -> None:
    """And only the paths that it names."""
    name = gateway.apply(
        *services.make("any"), services.ingress("any", rule(None, path(f"/catch-{host}", "any")))
    )
    assert gateway.get("whatever.example", f"/catch-{host}").backend == services.instance("any")
    assert gateway.get("whatever.example", "/else").status == 404
    gateway.withdraw(name)
    assert gateway.get("whatever.example", f"/catch-{host}").status == 404


def test_paths_of_one_host_merge_over_ingresses_and_namespaces(
    gateway: Gateway, pool: Backends, services: Services, host: str
) -> None:
    """Each path goes to its own Ingress's namespace."""
    other = Services(pool, f"{services.namespace}-other")
    gateway.apply(
        *services.make("web"),
        *other.make("web"),
        services.ingress("one", rule(host, path("/one", "web"))),
        other.ingress("two", rule(host, path("/two", "web"))),
    )
    assert gateway.get(host, "/one").backend == services.instance("web")
    assert gateway.get(host, "/two").backend == other.instance("web")


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "a"),
        ("2024-01-02T00:00:00Z", "2024-01-01T00:00:00Z", "b"),
        ("2024-01-01T00:00:00Z", None, "b"),
        (None, None, "b"),
    ],
)
def test_the_oldest_claim_wins_and_its_removal_promotes_the_other(
    gateway: Gateway, services: Services, host: str, first: str | None, second: str | None, winner: str
) -> None:
    """Without a time an object counts as the oldest; equal times go by name, descending."""
    gateway.apply(*services.make("a", "b"))
    names = {
        name: gateway.apply(services.ingress(name, rule(host, path("/", name)), created=created))
        for name, created in (("a", first), ("b", second))
    }
    assert gateway.get(host).backend == services.instance(winner)
    gateway.withdraw(names.pop(winner))
    (loser,) = names
    assert gateway.get(host).backend == services.instance(loser)


def test_a_default_backend_of_an_ingress_with_rules_takes_the_rest_of_its_hosts(
    gateway: Gateway, services: Services, host: str
) -> None:
    """And of no other host."""
    gateway.apply(
        *services.make("web", "rest"),
        services.ingress("web", rule(host, path("/web", "web")), default=("rest", 80)),
    )
    assert gateway.get(host, "/web").backend == services.instance("web")
    assert gateway.get(host, "/else").backend == services.instance("rest")
    assert gateway.get("unknown.example").status == 404


def test_a_host_without_paths_goes_to_the_default_backend(
    gateway: Gateway, services: Services, host: str
) -> None:
    """A rule may name only a host."""
    gateway.apply(*services.make("rest"), services.ingress("rest", rule(host), default=("rest", 80)))
    assert gateway.get(host, "/any").backend == services.instance("rest")


def test_an_ingress_with_only_a_default_backend_takes_everything_unknown(
    gateway: Gateway, services: Services
) -> None:
    """Until it is removed."""
    name = gateway.apply(*services.make("all"))
    gateway.folder.write("all.yaml", services.ingress("all", default=("all", 80)))
    gateway.eventually("unknown.example", "/any", backend=services.instance("all"))
    gateway.folder.remove("all.yaml")
    gateway.eventually("unknown.example", "/any", status=404)
    gateway.withdraw(name)


@pytest.mark.parametrize(
    ("options", "ours"),
    [
        ({}, True),
        ({"ingress_class": "nginx"}, True),
        ({"ingress_class": "other"}, False),
        ({"annotations": {"kubernetes.io/ingress.class": "nginx"}}, True),
        ({"annotations": {"kubernetes.io/ingress.class": "other"}}, False),
    ],
)
def test_an_ingress_of_another_class_is_not_ours(
    gateway: Gateway, services: Services, host: str, options: dict[str, object], *, ours: bool
) -> None:
    """By field or by annotation; one without a class is ours in a folder."""
    gateway.apply(*services.make("web"), services.ingress("web", rule(host, path("/", "web")), **options))
    assert gateway.get(host).status == (200 if ours else 404)


def test_a_service_without_endpoints_is_503(gateway: Gateway, services: Services, host: str) -> None:
    """And so is one that does not exist."""
    empty = services.make("empty")[:1]
    rules = rule(host, path("/empty", "empty"), path("/missing", "missing"))
    gateway.apply(*empty, services.ingress("web", rules))
    assert gateway.get(host, "/empty").status == 503
    assert gateway.get(host, "/missing").status == 503


# --- hosts whose paths are regular expressions ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def patterns(gateway: Gateway, pool: Backends) -> Iterator[str]:
    services = Services(pool, "patterns")
    impl = "ImplementationSpecific"
    name = gateway.apply(
        *services.make("digits", "letters", "plain", "long"),
        services.ingress(
            "regex",
            rule(
                "re.example",
                path("/item/[0-9]+", "digits", kind=impl),
                path("/item/[a-z]+$", "letters", kind=impl),
            ),
            annotations={"use-regex": "true"},
        ),
        services.ingress(
            "plain", rule("re.example", path("/item", "plain"), path("/Exact", "long", kind="Exact"))
        ),
    )
    yield "re.example"
    gateway.withdraw(name)


@pytest.mark.parametrize(
    ("uri", "service"),
    [
        ("/item/12", "digits"),
        ("/item/12abc", "digits"),
        ("/ITEM/12", "digits"),
        ("/item/abc", "letters"),
        ("/item/ABC", "letters"),
        ("/item/abc/d", "plain"),
        ("/item", "plain"),
        ("/exact", "long"),
        ("/exactly", "long"),
    ],
)
def test_on_a_regex_host_all_paths_are_patterns(
    gateway: Gateway, patterns: str, uri: str, service: str
) -> None:
    """Of any Ingress: without case, from the start, not to the end, longest text first."""
    answer = gateway.get(patterns, uri)
    assert (answer.status, answer.backend) == (200, f"patterns-{service}-0")


def test_a_rewrite_puts_captures_into_the_target_and_keeps_the_query(
    gateway: Gateway, services: Services, host: str
) -> None:
    """The path of the Ingress has the groups."""
    gateway.apply(
        *services.make("api"),
        services.ingress(
            "api",
            rule(host, path("/api(/|$)(.*)", "api", kind="ImplementationSpecific")),
            annotations={"rewrite-target": "/v2/$2", "use-regex": "true"},
        ),
    )
    assert gateway.get(host, "/api/users/7?x=1").echo.uri == "/v2/users/7?x=1"
    assert gateway.get(host, "/api").echo.uri == "/v2/"


def test_a_rewrite_without_groups_gives_a_fixed_path(gateway: Gateway, services: Services, host: str) -> None:
    """Whatever was asked below it."""
    gateway.apply(
        *services.make("api"),
        services.ingress("api", rule(host, path("/old", "api")), annotations={"rewrite-target": "/new"}),
    )
    assert gateway.get(host, "/old/deep?y=2").echo.uri == "/new?y=2"
