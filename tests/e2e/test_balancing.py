"""How requests are spread over endpoints, with four workers (reference a.2, a.7, a.8, g.11, g.12)."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from harness import certs, crowd, http, waiting
from harness.backends import Backend
from harness.gateway import Gateway
from harness.manifests import Manifest, config_map, endpoint_slice, path, rule
from harness.services import Services

WORKERS = 4
COOKIE = {"affinity": "cookie"}
PERSISTENT = COOKIE | {"affinity-mode": "persistent"}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway([config_map({"worker-processes": str(WORKERS)})], access_log=False) as started:
        yield started


def slice_of(services: Services, service: str, instances: list[Backend], **options: object) -> Manifest:
    return endpoint_slice(
        service, instances[0].port, [b.address for b in instances], namespace=services.namespace, **options  # type: ignore[arg-type]
    )  # fmt: skip


def ask(gateway: Gateway, host: str, count: int, path: str = "/", **headers: str) -> list[str]:
    """Ask on as many connections, so that workers take them as they come."""
    return [str(gateway.get(host, path, headers=headers.items()).backend) for _ in range(count)]


def session(gateway: Gateway, host: str, path: str = "/", **headers: str) -> tuple[str, str]:
    """Begin a session; give the instance and the whole Set-Cookie."""
    answer = gateway.get(host, path, headers=headers.items())
    cookie = answer.get("Set-Cookie")
    assert cookie is not None, answer
    return str(answer.backend), cookie


def value_of(cookie: str) -> str:
    return cookie.partition(";")[0]


# --- round robin --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_round_robin_is_even_in_the_small(
    gateway: Gateway, services: Services, host: str, share: float
) -> None:
    """400 requests over 4 workers to 50 endpoints, right after one came: no endpoint has 4 more than another."""
    instances = services.start("web", 50)
    app = services.ingress("web", rule(host, path("/", "web")))
    gateway.apply(*services.of("web", instances[:49]), app, name="small.yaml")
    crowd.ask(gateway.http_port, host, 100, share)
    gateway.apply(*services.of("web", instances), app, name="small.yaml")
    found = crowd.ask(gateway.http_port, host, 400, share)
    assert len(found) == 50
    assert max(found.values()) - min(found.values()) <= 4


def test_workers_share_their_turn(gateway: Gateway, services: Services, host: str) -> None:
    """As many requests as endpoints, on connections of their own: each endpoint has about one."""
    objects = services.make("web", count=20)
    gateway.apply(*objects, services.ingress("web", rule(host, path("/", "web"))))
    assert max(Counter(ask(gateway, host, 20)).values()) <= 2


def test_old_and_new_workers_share_their_turn(gateway: Gateway, services: Services, host: str) -> None:
    """A reload keeps where round robin stands: with requests at workers of both generations it is still even."""
    app = services.ingress("web", rule(host, path("/", "web")))
    gateway.apply(*services.make("web", count=10), app)
    old = [http.Connection(gateway.http_port) for _ in range(6)]
    for connection in old:
        connection.send(f"GET /?delay=2 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    reloads = gateway.reloads
    wish = {"proxy-body-size": "12345k"}
    gateway.apply(services.ingress("big", rule(f"big.{host}", path("/", "web")), annotations=wish))
    waiting.until(lambda: gateway.reloads > reloads, 20, 0.02)
    asked = ask(gateway, host, 34)
    asked += [str(connection.receive().backend) for connection in old]
    for connection in old:
        connection.close()
    assert max(Counter(asked).values()) - min(Counter(asked).values()) <= 2


# --- consistent hash ----------------------------------------------------------------------------------------------------


def test_a_key_has_one_endpoint(gateway: Gateway, services: Services, host: str) -> None:
    """In every worker; keys are spread; a changed expression is in force at once."""
    objects = services.make("web", count=5)
    by_user = services.ingress(
        "web", rule(host, path("/", "web")), annotations={"upstream-hash-by": "$http_x_user-$namespace"}
    )
    gateway.apply(*objects, by_user, name="hash.yaml")
    for user in ("ann", "bob", "eve"):
        assert len(set(ask(gateway, host, 12, **{"X-User": user}))) == 1
    assert len({ask(gateway, host, 1, **{"X-User": f"u{n}"})[0] for n in range(60)}) == 5
    by_path = services.ingress(
        "web", rule(host, path("/", "web")), annotations={"upstream-hash-by": "$request_uri"}
    )
    gateway.apply(*objects, by_path, name="hash.yaml")
    assert len({ask(gateway, host, 1, f"/{n}", **{"X-User": "ann"})[0] for n in range(60)}) == 5
    assert len(set(ask(gateway, host, 12, "/x"))) == 1


def test_an_endpoint_that_goes_moves_its_own_keys_alone(
    gateway: Gateway, services: Services, host: str
) -> None:
    """And a dead one sends its keys on to the next place on the ring."""
    instances = services.start("web", 5)
    app = services.ingress(
        "web", rule(host, path("/", "web")), annotations={"upstream-hash-by": "$request_uri"}
    )
    gateway.apply(*services.of("web", instances), app, name="ring.yaml")
    before = {n: ask(gateway, host, 1, f"/{n}")[0] for n in range(60)}
    instances[2].refuse()
    dead = {n: ask(gateway, host, 1, f"/{n}")[0] for n in range(60)}
    gateway.apply(*services.of("web", instances[:2] + instances[3:]), app, name="ring.yaml")
    after = {n: ask(gateway, host, 1, f"/{n}")[0] for n in range(60)}
    moved = {n for n in before if before[n] != after[n]}
    assert moved == {n for n, name in before.items() if name == instances[2].id}
    assert dead == after


def test_a_key_has_a_subset(gateway: Gateway, services: Services, host: str) -> None:
    """Seven endpoints by threes: three subsets, the last filled up; one key reaches all three members of one."""
    objects = services.make("web", count=7)
    notes = {"upstream-hash-by": "$request_uri", "upstream-hash-by-subset": "true"}
    gateway.apply(*objects, services.ingress("web", rule(host, path("/", "web")), annotations=notes))
    subsets = {tuple(sorted(set(ask(gateway, host, 40, f"/{n}")))) for n in range(12)}
    names = [services.instance("web", n) for n in range(7)]
    assert subsets == {tuple(names[0:3]), tuple(names[3:6]), tuple(sorted((names[6], names[0], names[1])))}


# --- sessions -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("notes", [COOKIE, PERSISTENT], ids=["balanced", "persistent"])
def test_a_session_stays(gateway: Gateway, services: Services, host: str, notes: dict[str, object]) -> None:
    """In every worker; new sessions go everywhere; the cookie is as ingress-nginx writes it and issued once."""
    objects = services.make("web", count=4)
    gateway.apply(*objects, services.ingress("web", rule(host, path("/", "web")), annotations=notes))
    first, cookie = session(gateway, host)
    assert re.fullmatch(r"INGRESSCOOKIE=[\w.]+\|[0-9a-f]{32}; Path=/; HttpOnly", cookie)
    issuer = hashlib.md5(f"{services.namespace}/web/80".encode()).hexdigest()  # noqa: S324 -- no secret
    assert value_of(cookie).endswith(f"|{issuer}")
    for _ in range(12):
        answer = gateway.get(host, headers=[("Cookie", value_of(cookie))])
        assert (answer.backend, answer.get("Set-Cookie")) == (first, None)
    assert len(set(ask(gateway, host, 60))) == 4


def test_cookie_attributes(gateway: Gateway, services: Services, host: str) -> None:
    """Every option of the reference, in the order that ingress-nginx has."""
    objects = services.make("web")
    notes = COOKIE | {
        "session-cookie-name": "sid", "session-cookie-path": "/x", "session-cookie-domain": "shop.example",
        "session-cookie-expires": "3600", "session-cookie-max-age": "7200", "session-cookie-samesite": "None",
        "session-cookie-secure": "true", "session-cookie-conditional-samesite-none": "true",
    }  # fmt: skip
    gateway.apply(*objects, services.ingress("web", rule(host, path("/", "web")), annotations=notes))
    pattern = (
        r"sid=[^;]+; Expires=\w{3}, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT; Max-Age=7200; Domain=shop.example; "
        r"Path=/x; Secure; HttpOnly(; SameSite=None)?"
    )
    for agent, carries in AGENTS.items():
        found = re.fullmatch(pattern, session(gateway, host, **{"User-Agent": agent})[1])
        assert found is not None
        assert (found[1] is not None) is carries, agent


AGENTS = {
    "curl/8": True,
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/66.0.3359.139 Safari/537.36": False,
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/67.0.3396.62 Safari/537.36": True,
    "Mozilla/5.0 (iPhone; CPU iPhone OS 12_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.0": False,
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_4) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12 Safari/605": False,
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_4) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0 Safari/537": True,
    "Mozilla/5.0 (Linux; U; Android 8) AppleWebKit/537.36 Version/4.0 Chrome/57 UCBrowser/12.13.0.1 Mobile": False,
    "Mozilla/5.0 (Linux; U; Android 8) AppleWebKit/537.36 Version/4.0 Chrome/57 UCBrowser/12.13.2.1 Mobile": True,
}
"""Whether a browser may be sent SameSite=None where that is conditional."""


def test_the_path_is_that_of_the_rule_and_secure_is_as_the_request_came(
    gateway: Gateway, services: Services, host: str
) -> None:
    """And a backend's own cookies stay."""
    objects = services.make("web")
    app = services.ingress(
        "web", rule(host, path("/app", "web")), annotations=COOKIE | {"ssl-redirect": "false"}, tls=[([host], None)]
    )  # fmt: skip
    gateway.apply(*objects, app)
    assert session(gateway, host, "/app/x")[1].endswith("; Path=/app; HttpOnly")
    answer = gateway.get_tls(host, "/app?header=Set-Cookie:own%3D1", tls=certs.credulous())
    cookies = [value for name, value in answer.headers if name == "Set-Cookie"]
    assert [c.partition("=")[0] for c in cookies] == ["INGRESSCOOKIE", "own"]
    assert cookies[0].endswith("; Path=/app; Secure; HttpOnly")


def test_only_the_paths_of_the_ingress_issue_a_cookie(
    gateway: Gateway, services: Services, host: str
) -> None:
    """Others that lead to the same backend keep sessions, and begin none."""
    objects = services.make("web", count=4)
    sticky = services.ingress("a", rule(host, path("/in", "web")), annotations=PERSISTENT)
    gateway.apply(*objects, sticky, services.ingress("b", rule(host, path("/out", "web"))))
    first, cookie = session(gateway, host, "/in")
    assert gateway.get(host, "/out").get("Set-Cookie") is None
    assert set(ask(gateway, host, 12, "/out", Cookie=value_of(cookie))) == {first}
    assert len(set(ask(gateway, host, 60, "/out"))) == 4


@pytest.mark.parametrize("notes", [COOKIE, PERSISTENT], ids=["balanced", "persistent"])
def test_sessions_outlive_changes_of_others(
    gateway: Gateway, services: Services, host: str, notes: dict[str, object]
) -> None:
    """An endpoint that goes moves its own sessions alone; one that comes moves none that name their endpoint."""
    instances = services.start("web", 5)
    app = services.ingress("web", rule(host, path("/", "web")), annotations=notes)
    gateway.apply(*services.of("web", instances[:4]), app, name="sessions.yaml")
    sessions = {value_of(cookie): name for name, cookie in (session(gateway, host) for _ in range(40))}
    gateway.apply(*services.of("web", instances[1:4]), app, name="sessions.yaml")
    for cookie, name in sessions.items():
        answer = gateway.get(host, headers=[("Cookie", cookie)])
        if name != instances[0].id:
            assert answer.backend == name
        # The ring sends the session on silently; a name that nobody has any more is replaced.
        is_renewed = answer.get("Set-Cookie") is not None
        assert is_renewed == (name == instances[0].id and notes is PERSISTENT)
    gateway.apply(*services.of("web", instances), app, name="sessions.yaml")
    moved = {c for c, name in sessions.items() if ask(gateway, host, 1, Cookie=c) != [name]}
    if notes is PERSISTENT:
        assert moved == set()
    else:
        assert all(ask(gateway, host, 1, Cookie=c) == [instances[4].id] for c in moved)


@pytest.mark.parametrize("notes", [COOKIE, PERSISTENT], ids=["balanced", "persistent"])
def test_an_endpoint_that_drains_keeps_its_sessions_and_gets_no_others(
    gateway: Gateway, services: Services, host: str, notes: dict[str, object]
) -> None:
    """Even if it is the last one: then new sessions are answered 503, as without endpoints."""
    instances = services.start("web", 3)
    app = services.ingress("web", rule(host, path("/", "web")), annotations=notes)
    service = services.of("web", instances)[0]
    gateway.apply(service, slice_of(services, "web", instances), app, name="drain.yaml")
    sessions = {value_of(cookie): name for name, cookie in (session(gateway, host) for _ in range(30))}
    assert instances[0].id in sessions.values()
    draining = [instances[0].address]
    gateway.apply(service, slice_of(services, "web", instances, draining=draining), app, name="drain.yaml")
    assert all(ask(gateway, host, 1, Cookie=c) == [name] for c, name in sessions.items())
    assert set(ask(gateway, host, 40)) == {instances[1].id, instances[2].id}
    gateway.apply(
        service, slice_of(services, "web", instances[:1], draining=draining), app, name="drain.yaml"
    )
    kept = next(c for c, name in sessions.items() if name == instances[0].id)
    assert ask(gateway, host, 3, Cookie=kept) == [instances[0].id] * 3
    assert gateway.get(host).status == 503
    assert gateway.get(host, headers=[("Cookie", "INGRESSCOOKIE=" + "0" * 32)]).status == 503


@pytest.mark.parametrize("changes", [True, False])
def test_a_failed_try_moves_the_session_if_it_may(
    gateway: Gateway, services: Services, host: str, changes: bool  # noqa: FBT001
) -> None:  # fmt: skip
    """`session-cookie-change-on-failure`; else the retry hits the same endpoint, and the answer is 502."""
    instances = services.start("web", 3)
    notes = COOKIE | {"session-cookie-change-on-failure": str(changes).lower()}
    gateway.apply(
        *services.of("web", instances),
        services.ingress("web", rule(host, path("/", "web")), annotations=notes),
    )
    name, cookie = session(gateway, host)
    next(b for b in instances if b.id == name).refuse()
    answer = gateway.get(host, headers=[("Cookie", value_of(cookie))])
    if not changes:
        assert answer.status == 502
        return
    assert answer.status == 200
    assert answer.backend != name
    renewed = answer.get("Set-Cookie")
    assert renewed is not None
    assert set(ask(gateway, host, 8, Cookie=value_of(renewed))) == {answer.backend}


# --- canaries -----------------------------------------------------------------------------------------------------------


def with_canary(
    services: Services, host: str, main: Mapping[str, object], **canary: object
) -> list[Manifest]:
    notes = {"canary": "true"} | {name.replace("_", "-"): value for name, value in canary.items()}
    return [
        services.ingress(
            "main", rule(host, path("/", "old")), annotations=main, created="2020-01-01T00:00:00Z"
        ),
        services.ingress(
            "try", rule(host, path("/", "new")), annotations=notes, created="2021-01-01T00:00:00Z"
        ),
    ]


def test_sessions_stay_on_their_side_of_a_canary(gateway: Gateway, services: Services, host: str) -> None:
    """g.11 (a), (b): the primary's cookie and the canary's go before header and weight."""
    pods = services.make("old", "new", count=3)
    gateway.apply(*pods, *with_canary(services, host, COOKIE, canary_by_header="X-Try", canary_weight="0"))
    old, old_cookie = session(gateway, host)
    new, new_cookie = session(gateway, host, **{"X-Try": "always"})
    assert (old.split("-")[1], new.split("-")[1]) == ("old", "new")
    assert set(ask(gateway, host, 8, Cookie=value_of(old_cookie), **{"X-Try": "always"})) == {old}
    assert set(ask(gateway, host, 8, Cookie=value_of(new_cookie), **{"X-Try": "never"})) == {new}


def test_legacy_canaries_have_no_sessions(gateway: Gateway, services: Services, host: str) -> None:
    """Only the primary's session decides; the canary issues no cookie and goes round."""
    pods = services.make("old", "new", count=3)
    options = {"canary_by_header": "X-Try", "affinity_canary_behavior": "legacy"}
    gateway.apply(*pods, *with_canary(services, host, COOKIE, **options))
    answer = gateway.get(host, headers=[("X-Try", "always")])
    assert (str(answer.backend).split("-")[1], answer.get("Set-Cookie")) == ("new", None)
    assert len(set(ask(gateway, host, 30, **{"X-Try": "always"}))) == 3
    old, cookie = session(gateway, host)
    assert set(ask(gateway, host, 8, Cookie=value_of(cookie), **{"X-Try": "always"})) == {old}


def test_a_canary_has_an_algorithm_of_its_own(gateway: Gateway, services: Services, host: str) -> None:
    """Its Ingress' upstream-hash-by holds for requests that go there."""
    pods = services.make("old", "new", count=3)
    options = {"canary_by_header": "X-Try", "upstream_hash_by": "$request_uri"}
    gateway.apply(*pods, *with_canary(services, host, {}, **options))
    assert len(set(ask(gateway, host, 12, "/x", **{"X-Try": "always"}))) == 1
    assert len(set(ask(gateway, host, 12, "/x"))) == 3


def test_a_primary_without_endpoints_is_503_whatever_its_canary_has(
    gateway: Gateway, services: Services, host: str
) -> None:
    """And a canary without endpoints leaves its requests with the primary (g.11)."""
    gateway.apply(*services.make("new"), *with_canary(services, host, {}, canary_weight="100"))
    assert gateway.get(host).status == 503
    other = f"other.{host}"
    notes = {"canary": "true", "canary-weight": "100"}
    gateway.apply(
        *services.make("alive"),
        services.ingress("main2", rule(other, path("/", "alive"))),
        services.ingress("try2", rule(other, path("/", "gone")), annotations=notes),
    )
    assert gateway.get(other).backend == services.instance("alive")


# --- by load ------------------------------------------------------------------------------------------------------------


def test_a_slow_endpoint_loses_its_share(gateway: Gateway, services: Services, host: str) -> None:
    """EWMA: of one of five that takes half a second, each worker learns from the others; it has few requests of many."""
    instances = services.start("web", 5)
    app = services.ingress("web", rule(host, path("/", "web")), annotations={"load-balance": "ewma"})
    gateway.apply(*services.of("web", instances), app)
    instances[0].delay = 0.5
    found = crowd.ask(gateway.http_port, host, 400, 0.0)
    assert sum(found.values()) == 400
    assert found[instances[0].id] <= 40
    assert all(found[b.id] >= 20 for b in instances[1:])


@pytest.mark.parametrize("algorithm", ["ewma", "least_pending"])
def test_a_dead_endpoint_costs_no_request(
    gateway: Gateway, services: Services, host: str, algorithm: str
) -> None:
    """A refused try goes to another endpoint; the count of requests on their way comes out right."""
    instances = services.start("web", 3)
    app = services.ingress("web", rule(host, path("/", "web")), annotations={"load-balance": algorithm})
    gateway.apply(*services.of("web", instances), app)
    instances[1].refuse()
    assert set(ask(gateway, host, 30)) == {instances[0].id, instances[2].id}
    instances[1].accept()
    if algorithm == "least_pending":
        # It is used again once a worker has seen that it is back.
        waiting.until(lambda: len(set(ask(gateway, host, 30))) == 3, why="return of the endpoint")


def test_the_config_map_chooses_for_all(gateway: Gateway, services: Services, host: str) -> None:
    """`load-balance` of the ConfigMap is data: no reload."""
    reloads = gateway.reloads
    gateway.apply(*services.make("web", count=3), services.ingress("web", rule(host, path("/", "web"))))
    name = gateway.apply(
        config_map({"worker-processes": str(WORKERS), "load-balance": "ewma"}), name="objects.yaml"
    )
    asked = ["backends", f"{services.namespace}/web/80", "--output", "json"]
    waiting.until(lambda: '"ewma"' in gateway.run(*asked).stdout, 10, 0.05)
    assert len(set(ask(gateway, host, 60))) == 3
    gateway.apply(config_map({"worker-processes": str(WORKERS)}), name=name)
    assert gateway.reloads == reloads
