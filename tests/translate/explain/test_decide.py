"""A decision follows the rules of the contract, and says why."""

from typing import Any

import msgspec
import pytest

from tidegate import model
from tidegate.model import (
    Backend,
    Canary,
    ClientTls,
    Endpoint,
    Host,
    PathKind,
    Route,
    Rule,
    Settings,
    TlsHost,
    Verify,
)
from tidegate.translate.explain import Answer, Decision, Entries, Origin, Request, decide

SETTINGS = Settings(
    {
        "ssl_redirect": True,
        "http_redirect_code": 308,
        "no_tls_redirect_locations": ["/.well-known/acme-challenge"],
    },
    explicit=("http_redirect_code",),
)
ONE = (Endpoint("10.0.0.1", 80),)


def entries_of(*rules: tuple[PathKind, str, str], regex: bool = False, **more: Any) -> dict[str, model.Entry]:
    """Give a gateway with host shop.test and, for each rule, a route and a backend of its own."""
    host = Host(tuple(Rule(kind, path, name) for kind, path, name in rules), regex=regex)
    entries: dict[str, model.Entry] = {"g": SETTINGS, "h/main/shop.test": host}
    for _, path, name in rules:
        entries[f"r/{name}"] = Route("ns", "ing", name, "80", path, f"ns/{name}/80")
        entries[f"b/ns/{name}/80"] = Backend(ONE)
    return entries | {key.replace("__", "/"): value for key, value in more.items()}


def ask(entries: dict[str, model.Entry], uri: str = "/", host: str = "shop.test", **more: Any) -> Decision:
    return decide(entries, Request(uri=uri, host=host, **more))


E, P = PathKind.EXACT, PathKind.PREFIX


@pytest.mark.parametrize(
    ("uri", "route"),
    [
        ("/cart", "exact"),
        ("/cart/", "prefix"),
        ("/cart/7", "prefix"),
        ("/cartx", "root"),
        ("/CART", "root"),
        ("/%63art?x=1", "exact"),
        ("/cart/deep/er", "deeper"),
        ("/cart/deep", "deeper"),
        ("/", "root"),
    ],
)
def test_exact_goes_before_the_longest_prefix(uri: str, route: str) -> None:
    entries = entries_of(
        (E, "/cart", "exact"), (P, "/cart", "prefix"), (P, "/cart/deep", "deeper"), (P, "/", "root")
    )
    assert ask(entries, uri).route_id == route


def test_a_prefix_with_a_slash_adds_it_by_a_redirect() -> None:
    entries = entries_of((P, "/docs/", "docs"), (P, "/", "root"))
    answer = ask(entries, "/docs?a=b", host="shop.test:8080")
    assert (answer.status, answer.location) == (301, "http://shop.test:8080/docs/?a=b")
    assert ask(entries, "/docs/x").route_id == "docs"


def test_regex_paths_are_tried_longest_first_without_regard_to_case() -> None:
    entries = entries_of((P, "/a.*", "short"), (E, "/abc(/|$)(.*)", "long"), (P, "/", "root"), regex=True)
    found = ask(entries, "/ABC/x")
    assert (found.route_id, found.captures) == ("long", ("/", "x"))
    assert ask(entries, "/azz").route_id == "short"
    assert ask(entries, "/zz").route_id == "root"


@pytest.mark.parametrize(
    ("host", "entry"),
    [
        ("shop.test", "shop.test"),
        ("SHOP.test.", "shop.test"),
        ("a.shop.test:81", "*.shop.test"),
        ("b.a.shop.test", "_"),
    ],
)
def test_an_exact_name_goes_before_a_wildcard_and_that_before_any(host: str, entry: str) -> None:
    entries = entries_of((P, "/", "root"))
    for name in ("*.shop.test", "_"):
        entries[f"h/main/{name}"] = Host((Rule(P, "/", "root"),))
    assert ask(entries, host=host).host == entry


def test_a_path_without_a_rule_uses_the_default_backend_of_its_host_then_of_all() -> None:
    entries = entries_of((P, "/x", "x"))
    assert ask(entries, "/y").status == 404
    entries["h/main/_"] = Host(fallback="x")
    assert ask(entries, "/y").route_id == "x"
    assert ask(entries, "/y", host="other.test").route_id == "x"


def test_rules_in_buckets_are_found() -> None:
    entries = entries_of((P, "/x", "x"))
    entries["h/main/shop.test"] = Host(buckets=2)
    entries["m/main/shop.test/1"] = model.Bucket((Rule(P, "/x", "x"),))
    assert ask(entries, "/x/y").route_id == "x"


def test_a_host_with_a_certificate_redirects_to_https() -> None:
    entries = entries_of((P, "/", "root"), (P, "/.well-known/acme-challenge", "acme"))
    assert ask(entries).answer is Answer.BACKEND
    entries["t/shop.test"] = TlsHost()
    assert ask(entries, "/a/?b=/", host="Shop.test:80").location == "https://Shop.test/a/?b="
    assert ask(entries).status == 308
    assert ask(entries, scheme="https").answer is Answer.BACKEND
    assert ask(entries, "/.well-known/acme-challenge/t").answer is Answer.BACKEND


def test_forwarding_headers_count_only_where_they_are_believed() -> None:
    entries: dict[str, model.Entry] = entries_of((P, "/", "root")) | {"t/shop.test": TlsHost()}
    request = Request(host="shop.test", headers={"x-forwarded-proto": "https"})
    assert decide(entries, request).status == 308
    trusting = model.NodeSettings(use_forwarded_headers=True)
    assert decide(entries, request, trusting).answer is Answer.BACKEND


def test_a_denied_route_answers_503_before_anything_else() -> None:
    entries: dict[str, model.Entry] = entries_of((P, "/", "root")) | {"t/shop.test": TlsHost()}
    entries["r/root"] = Route(backend="ns/root/80", deny="the allow list cannot be read")
    assert ask(entries).status == 503
    assert "the allow list cannot be read" in ask(entries).trail[-1].said


def test_no_endpoints_comes_before_the_allow_list() -> None:
    entries = entries_of((P, "/", "root"))
    entries["r/root"] = Route(path="/", backend="ns/root/80", settings={"allow": ["10.0.0.0/8", "::1/128"]})
    assert ask(entries).status == 403
    assert ask(entries, remote_address="10.9.9.9").answer is Answer.BACKEND
    entries["b/ns/root/80"] = Backend()
    assert ask(entries).status == 503


def test_a_permanent_redirect_answers_on_plain_http() -> None:
    entries: dict[str, model.Entry] = entries_of((P, "/", "root")) | {"t/shop.test": TlsHost()}
    entries["r/root"] = Route(path="/", settings={"redirect": [301, "https://new.test"]})
    assert (ask(entries).status, ask(entries).location) == (301, "https://new.test")


@pytest.mark.parametrize(
    ("uri", "sent"),
    [
        ("/v1/a%20b?q=%20", "/x/a%20b?q=%20"),
        ("/V1/", "/x/"),
        ("/v1/a%3Fb", "/x/a%3Fb"),
        ("/v1/%C3%A4", "/x/%C3%A4"),
    ],
)
def test_a_rewrite_fills_in_captures_and_encodes_them(uri: str, sent: str) -> None:
    entries = entries_of((P, "/v1/(.*)", "v1"), regex=True)
    entries["r/v1"] = Route(path="/v1/(.*)", backend="ns/v1/80", settings={"rewrite_target": "/x/$1"})
    assert ask(entries, uri).upstream_uri == sent


def test_without_a_rewrite_the_target_goes_on_as_it_came() -> None:
    assert ask(entries_of((P, "/", "root")), "/a/../b%20c?d").upstream_uri == "/a/../b%20c?d"


@pytest.mark.parametrize(
    ("canary", "headers", "probability"),
    [
        (Canary("c", weight=30), {}, 0.3),
        (Canary("c", weight=5, total=10), {}, 0.5),
        (Canary("c", header="X-Canary"), {"x-canary": "always"}, 1),
        (Canary("c", header="X-Canary", weight=100), {"x-canary": "never"}, 0),
        (Canary("c", header="X-Canary", weight=40), {"x-canary": "perhaps"}, 0.4),
        (Canary("c", header="X-Canary", header_value="me"), {"x-canary": "me"}, 1),
        (Canary("c", header="X-Canary", header_value="me", weight=10), {"x-canary": "always"}, 0.1),
        (Canary("c", header="X-Canary", header_pattern="^u[0-9]$"), {"x-canary": "u7"}, 1),
        (Canary("c", cookie="try"), {"cookie": "a=b; try=always"}, 1),
        (Canary("c", cookie="try", weight=100), {"cookie": "try=never"}, 0),
    ],
)
def test_a_canary_is_chosen_by_header_then_cookie_then_weight(
    canary: Canary, headers: dict[str, str], probability: float
) -> None:
    entries: dict[str, model.Entry] = entries_of((P, "/", "root")) | {"b/c": Backend(ONE)}
    entries["b/ns/root/80"] = Backend(ONE, canary=canary)
    found = ask(entries, headers=headers)
    assert found.canary is not None
    assert found.canary.probability == pytest.approx(probability)
    assert found.backend == ("c" if probability == 1 else "ns/root/80")


def test_a_canary_without_endpoints_leaves_the_primary() -> None:
    entries: dict[str, model.Entry] = entries_of((P, "/", "root")) | {"b/c": Backend()}
    entries["b/ns/root/80"] = Backend(ONE, canary=Canary("c", weight=100))
    assert ask(entries).backend == "ns/root/80"


def test_settings_say_who_gave_them() -> None:
    entries = entries_of((P, "/", "root"))
    entries["r/root"] = Route(path="/", backend="ns/root/80", settings={"ssl_redirect": False})
    origins = {setting.key: setting.origin for setting in ask(entries).settings}
    assert origins["ssl_redirect"] is Origin.ANNOTATION
    assert origins["http_redirect_code"] is Origin.CONFIGMAP
    assert origins["no_tls_redirect_locations"] is Origin.BUILT_IN


def test_the_trail_names_the_nearest_misses() -> None:
    entries = entries_of((E, "/cart/items", "items"), (P, "/Cart", "upper"), (P, "/", "root"))
    said = [step.said for step in ask(entries, "/cart/item").trail if not step.decisive]
    assert any("/cart/items" in text and "the same" in text for text in said)
    assert any("Prefix /Cart" in text for text in said)


def test_an_upstream_host_may_hold_variables() -> None:
    entries = entries_of((P, "/", "root"))
    entries["r/root"] = Route(path="/", backend="ns/root/80", settings={"upstream_vhost": ["in.", "host"]})
    assert ask(entries).upstream_host == "in.shop.test"


def test_entries_are_decoded_when_asked_for() -> None:
    raw = {key: model.encode(value) for key, value in entries_of((P, "/", "root")).items()}
    entries = Entries({**raw, "o/Ingress/ns/x": b"not read", "r/broken": b"{"})
    assert decide(entries, Request(host="shop.test")).route_id == "root"


@pytest.mark.parametrize(
    ("client", "request_", "status"),
    [
        (ClientTls(), {"scheme": "https"}, 0),
        (ClientTls(), {"scheme": "https", "verified": "NONE"}, 400),
        (ClientTls(verify=Verify.OPTIONAL), {"scheme": "https", "verified": "NONE"}, 0),
        (ClientTls(verify=Verify.OPTIONAL), {"scheme": "https", "verified": "FAILED:x"}, 400),
        (ClientTls(verify=Verify.OPTIONAL_NO_CA), {"scheme": "https", "verified": "FAILED:x"}, 0),
        (ClientTls(page="https://help.test/"), {"scheme": "https", "verified": "NONE"}, 302),
        (ClientTls(deny="why"), {}, 403),
        (ClientTls(deny="why"), {"scheme": "https"}, 403),
        (ClientTls(), {}, 308),
        (ClientTls(verify=Verify.OPTIONAL), {}, 0),
    ],
)
def test_hosts_that_ask_for_client_certificates(
    client: ClientTls, request_: dict[str, str], status: int
) -> None:
    """Nobody comes in without one that is due; on the plain port nobody can show one."""
    entries = entries_of((P, "/", "web"))
    host = entries["h/main/shop.test"]
    assert isinstance(host, Host)
    entries["h/main/shop.test"] = msgspec.structs.replace(host, client=client)
    assert ask(entries, **request_).status == status
