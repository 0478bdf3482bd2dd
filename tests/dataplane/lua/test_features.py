"""What a route can do, each by its data alone, on the real nginx."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from harness import http, http2, waiting
from harness.backends import Backends
from harness.dataplane import DataPlane, settings, simple
from tidegate.dataplane.render import EVERYDAY_PROFILES
from tidegate.model import Backend, Canary, Endpoint, Entry, Profile, Route, TlsHost

HOST = "a.example.com"
TWO_MIB = next(p for p in EVERYDAY_PROFILES if p.values == (("body_size", 2 * 1024 * 1024),))


@pytest.fixture(scope="module")
def backends() -> Iterator[Backends]:
    with Backends() as pool:
        yield pool


@pytest.fixture(scope="module")
def plane(backends: Backends) -> Iterator[DataPlane]:
    with DataPlane(workers=1) as running:
        yield running


def _serve(plane: DataPlane, backends: Backends, host: str, count: int = 1, **route: object) -> list[str]:
    group = backends.group(host.partition(".")[0], count)
    plane.push(simple(host, host.partition(".")[0], [(b.address, b.port) for b in group], **route))
    return [b.id for b in group]


def test_a_route_that_goes_back_to_the_default_profile_has_it(plane: DataPlane, backends: Backends) -> None:
    """What it had before is only for workers that do not know the new one."""
    _serve(plane, backends, "before.example.com", profile_before=TWO_MIB.id)
    answer = http.get(plane.http, "/", host="before.example.com", method="POST", body=b"x" * 1_500_000)
    assert answer.status == 413
    (one,) = _serve(plane, backends, "after.example.com", profile="ffffffffffff", profile_before=TWO_MIB.id)
    answer = http.get(plane.http, "/", host="after.example.com", method="POST", body=b"x" * 1_500_000)
    assert (answer.status, answer.backend) == (200, one)


def test_round_robin_is_even(plane: DataPlane, backends: Backends) -> None:
    """One worker gives each of five endpoints its turn."""
    ids = _serve(plane, backends, "even.example.com", 5)
    asked = [str(http.get(plane.http, "/", host="even.example.com").backend) for _ in range(25)]
    assert sorted(asked) == sorted(ids * 5)


def test_a_host_without_endpoints_answers_503(plane: DataPlane, backends: Backends) -> None:
    """At once, and serves again as soon as one is there."""
    _serve(plane, backends, "empty.example.com")
    (back,) = backends.group("back", 1)
    plane.push({"b/ns/empty/80": Backend()})
    assert http.get(plane.http, "/", host="empty.example.com").status == 503
    plane.push({"b/ns/empty/80": Backend((Endpoint(back.address, back.port),))})
    assert http.get(plane.http, "/", host="empty.example.com").backend == back.id


def test_a_dead_endpoint_costs_no_request(plane: DataPlane, backends: Backends) -> None:
    """A refused connection is tried at another endpoint."""
    (alive,) = backends.group("alive", 1)
    dead = ("127.0.0.1", waiting.free_ports(1)[0])
    plane.push(simple("dead.example.com", "dead", [dead, (alive.address, alive.port)]))
    asked = [http.get(plane.http, "/", host="dead.example.com").backend for _ in range(10)]
    assert asked == [alive.id] * 10


def test_the_default_profile_limits_bodies(plane: DataPlane, backends: Backends) -> None:
    """1 MiB, with a length and without."""
    _serve(plane, backends, "body.example.com")
    _judge_limit(plane, "body.example.com", 1024 * 1024)


def test_a_profile_has_its_own_body_limit(plane: DataPlane, backends: Backends) -> None:
    """The route jumps past the place where nginx would judge the length; the limit holds all the same."""
    _serve(plane, backends, "two.example.com", profile=TWO_MIB.id)
    _judge_limit(plane, "two.example.com", 2 * 1024 * 1024)


def _judge_limit(plane: DataPlane, host: str, limit: int) -> None:
    def chunked(size: int) -> bytes:
        return b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size)

    for size, status in ((limit, 200), (limit + 1, 413)):
        assert http.get(plane.http, "/", host=host, method="POST", body=b"x" * size).status == status
        sent = http.get(
            plane.http,
            "/",
            host=host,
            method="POST",
            headers=[("Transfer-Encoding", "chunked")],
            body=chunked(size),
        )
        assert sent.status == status, size
        for length in ([("content-length", str(size))], []):
            with http2.Connection(plane.http) as connection:
                answer = connection.ask("/", host=host, method="POST", headers=length, body=b"x" * size)
            assert answer.status == status, (size, length)


def test_a_profile_that_this_generation_lacks_is_replaced_by_the_one_before(
    plane: DataPlane, backends: Backends
) -> None:
    """A worker of an older generation never answers 500 for it."""
    ids = _serve(plane, backends, "lacks.example.com", profile="0123456789ab", profile_before=TWO_MIB.id)
    assert http.get(plane.http, "/", host="lacks.example.com").backend in ids
    big = b"x" * (1024 * 1024 + 1)
    assert http.get(plane.http, "/", host="lacks.example.com", method="POST", body=big).status == 200


def test_timeouts_are_data(plane: DataPlane, backends: Backends) -> None:
    """A read timeout of a second ends a request that a slow backend holds for two."""
    _serve(plane, backends, "slow.example.com", settings={"read_timeout": 1, "tries": 1})
    _serve(plane, backends, "patient.example.com", settings={"tries": 1})
    assert http.get(plane.http, "/?delay=2", host="patient.example.com").status == 200
    assert http.get(plane.http, "/?delay=2", host="slow.example.com").status == 504


@pytest.mark.parametrize(
    ("rule", "sent", "share"),
    [
        (Canary("ns/new/80", weight=0), {}, 0),
        (Canary("ns/new/80", weight=100), {}, 40),
        (Canary("ns/new/80", weight=7, total=7), {}, 40),
        (Canary("ns/new/80", header="X-New"), {"X-New": "always"}, 40),
        (Canary("ns/new/80", weight=100, header="X-New"), {"X-New": "never"}, 0),
        (Canary("ns/new/80", header="X-New", header_value="yes"), {"X-New": "yes"}, 40),
        (Canary("ns/new/80", weight=100, header="X-New", header_value="yes"), {"X-New": "never"}, 40),
        (Canary("ns/new/80", header="X-New", header_pattern="^y.s$"), {"X-New": "yes"}, 40),
        (Canary("ns/new/80", header="X-New", header_pattern="^y.s$"), {"X-New": "no"}, 0),
        (Canary("ns/new/80", cookie="new"), {"Cookie": "new=always"}, 40),
        (Canary("ns/new/80", weight=100, cookie="new"), {"Cookie": "new=never"}, 0),
    ],
)
def test_canary(plane: DataPlane, backends: Backends, rule: Canary, sent: dict[str, str], share: int) -> None:
    """Header, then cookie, then weight (reference g.11)."""
    old, new = backends.group("old", 1)[0], backends.group("new", 1)[0]
    entries = simple("canary.example.com", "old", [(old.address, old.port)])
    primary = Backend((Endpoint(old.address, old.port),), canary=rule)
    plane.push(
        {**entries, "b/ns/old/80": primary, "b/ns/new/80": Backend((Endpoint(new.address, new.port),))}
    )
    asked = [
        http.get(plane.http, "/", host="canary.example.com", headers=sent.items()).backend for _ in range(40)
    ]
    assert asked.count(new.id) == share


def test_a_canary_weight_is_a_share(plane: DataPlane, backends: Backends) -> None:
    """A quarter of many requests, give or take."""
    old, new = backends.group("most", 1)[0], backends.group("some", 1)[0]
    primary = Backend((Endpoint(old.address, old.port),), canary=Canary("ns/some/80", weight=25))
    entries = simple("share.example.com", "most", [(old.address, old.port)])
    plane.push(
        {**entries, "b/ns/most/80": primary, "b/ns/some/80": Backend((Endpoint(new.address, new.port),))}
    )
    with http.Connection(plane.http) as connection:
        asked = [connection.ask("/", host="share.example.com").backend for _ in range(400)]
    # Six standard deviations of a binomial with p = 1/4.
    assert 48 <= asked.count(new.id) <= 152


def test_a_canary_without_endpoints_leaves_the_primary(plane: DataPlane, backends: Backends) -> None:
    """Even if every request should go to it."""
    (old,) = backends.group("sole", 1)
    primary = Backend((Endpoint(old.address, old.port),), canary=Canary("ns/none/80", weight=100))
    plane.push({**simple("sole.example.com", "sole", [(old.address, old.port)]), "b/ns/sole/80": primary})
    assert http.get(plane.http, "/", host="sole.example.com").backend == old.id


@pytest.mark.parametrize(
    ("cidrs", "status"),
    [
        (["127.0.0.1"], 200),
        (["127.0.0.0/8"], 200),
        (["10.0.0.0/8", "127.0.0.0/29"], 200),
        (["0.0.0.0/0"], 200),
        (["127.0.0.2/31"], 403),
        (["10.0.0.0/8"], 403),
        (["::/0"], 403),
        (["no address"], 403),
    ],
)
def test_the_allow_list_admits_only_its_networks(
    plane: DataPlane, backends: Backends, cidrs: list[str], status: int
) -> None:
    """What cannot be read admits nobody."""
    _serve(plane, backends, "allow.example.com", settings={"allow": cidrs})
    assert http.get(plane.http, "/", host="allow.example.com").status == status


@pytest.mark.parametrize(
    ("pattern", "target", "sent", "received"),
    [
        ("/something(/|$)(.*)", "/$2", "/something/new?a=1", "/new?a=1"),
        ("/something(/|$)(.*)", "/$2", "/something", "/"),
        ("/(?<rest>.*)", "/v2/$rest", "/a/b", "/v2/a/b"),
        ("/old", "/fixed", "/OLD/and/more", "/fixed"),
        ("/x(.*)", "$1", "/x", "/"),
        ("/(?<name>a)/(.*)", "/$2/${name}$1b", "/a/$name%7Bname%7D$1", "/$name%7Bname%7D$1/aab"),
        ("/x(.*)", "/y$1", "/x/%20sp%41ce", "/y/%20spAce"),
    ],
)
def test_rewriting(
    plane: DataPlane, backends: Backends, pattern: str, target: str, sent: str, received: str
) -> None:
    """The target with its captures is the whole path; the query stays (reference g.3)."""
    _serve(plane, backends, "rewrite.example.com", path=pattern, settings={"rewrite_target": target})
    assert http.get(plane.http, sent, host="rewrite.example.com").echo.uri == received


def test_the_host_that_the_backend_sees_is_data(plane: DataPlane, backends: Backends) -> None:
    """Literals and variables by turns; X-Forwarded-Host keeps what the client asked for."""
    _serve(plane, backends, "vhost.example.com", settings={"upstream_vhost": ["in-", "host", ".local"]})
    echo = http.get(plane.http, "/", host="vhost.example.com").echo
    assert echo.get("Host") == ["in-vhost.example.com.local"]
    assert echo.get("X-Forwarded-Host") == ["vhost.example.com"]


def test_global_settings_reach_every_route(plane: DataPlane, backends: Backends) -> None:
    """A changed default is in force at once; overrides stay."""
    _serve(plane, backends, "default.example.com")
    _serve(plane, backends, "own.example.com", settings={"allow": ["127.0.0.1"]})
    plane.push({"g": settings(allow=["10.0.0.0/8"])})
    assert http.get(plane.http, "/", host="default.example.com").status == 403
    assert http.get(plane.http, "/", host="own.example.com").status == 200
    plane.push({"g": settings()})
    assert http.get(plane.http, "/", host="default.example.com").status == 200


def test_a_new_profile_of_the_configuration_is_known_to_the_lua_side(backends: Backends) -> None:
    """One that is not among the everyday ones."""
    odd = Profile((("body_size", 1_500_000), ("buffering", True)))
    with DataPlane(profiles=[odd], workers=1) as plane:
        _serve(plane, backends, "odd.example.com", profile=odd.id)
        _judge_limit(plane, "odd.example.com", 1_500_000)


def test_draining_ends_keepalive_and_fails_health(backends: Backends) -> None:
    """Answers still come, whatever the route's profile, and each closes its connection."""
    (one,) = backends.group("drain", 1)
    address = [(one.address, one.port)]
    redirect = Route("ns", path="/", settings={"redirect": [301, "https://x/"]})
    entries: dict[str, Entry] = {
        **simple(HOST, "s", address),
        **simple("two.example.com", "s", address, profile=TWO_MIB.id),
        **simple("gone.example.com", "s", address),
        "r/ns/gone.example.com/0": redirect,
    }
    with DataPlane(entries, workers=1) as plane:
        assert http.get(plane.http, "/", host=HOST).get("Connection") == "keep-alive"
        assert [http.get(plane.status, path).status for path in ("/healthz", "/readyz")] == [200, 200]
        assert plane.ask("POST", "/draining")[0] == 200
        assert [http.get(plane.status, path).status for path in ("/healthz", "/readyz")] == [503, 503]
        waiting.until(lambda: http.get(plane.http, "/", host=HOST).get("Connection") == "close", 5)
        for host, status in (
            (HOST, 200),
            ("two.example.com", 200),
            ("gone.example.com", 301),
            ("no.example", 404),
        ):
            answer = http.get(plane.http, "/", host=host)
            assert (answer.status, answer.get("Connection")) == (status, "close"), host


def test_requests_are_counted_by_route_and_status(backends: Backends) -> None:
    """Each once, on whatever worker, and shown as metrics by Ingress."""
    (one,) = backends.group("count", 1)
    with DataPlane(simple(HOST, "s", [(one.address, one.port)]), workers=2) as plane:
        for _ in range(30):
            http.get(plane.http, "/", host=HOST)
        for _ in range(4):
            http.get(plane.http, "/", host="unknown.example.com")
        wanted = {f"ns/{HOST}/0": {"2xx": 30}, "": {"4xx": 4}}
        waiting.until(lambda: plane.ask("GET", "/counters")[1] == wanted, 5)
        text = http.get(plane.status, "/metrics").text
        assert f'requests{{namespace="ns",ingress="{HOST}",service="s",status="2xx"}} 30' in text


def test_counts_go_on_over_reloads(backends: Backends) -> None:
    """New workers count in the memory of those before, and read what is there."""
    (one,) = backends.group("reloaded", 1)
    with DataPlane(simple(HOST, "s", [(one.address, one.port)]), workers=2) as plane:
        asked = 0

        def is_counted() -> bool:
            return bool(plane.ask("GET", "/counters")[1] == {f"ns/{HOST}/0": {"2xx": asked}})

        for _ in range(4):
            for _ in range(10):
                http.get(plane.http, "/", host=HOST)
                asked += 1
            waiting.until(is_counted, 5)
            _reload(plane)


def _reload(plane: DataPlane) -> None:
    old = set(plane.workers)
    os.kill(plane.master, signal.SIGHUP)
    waiting.until(lambda: plane.workers and not old & set(plane.workers), 10, why="reload")


@pytest.mark.parametrize(("tries", "status"), [(1, 502), (2, 502), (3, 200), (0, 200)])
def test_tries_are_data(plane: DataPlane, backends: Backends, tries: int, status: int) -> None:
    """The first included; 0 stands for each endpoint once."""
    (alive,) = backends.group(f"tries{tries}", 1)
    # Backends that were never asked, for endpoints that fail are passed over afterwards; which endpoint is the first is
    # not ours to say.
    hosts = [f"{n}.tries{tries}.example.com" for n in range(30)]
    ports = iter(waiting.free_ports(2 * len(hosts)))
    entries: dict[str, Entry] = {}
    for host in hosts:
        endpoints = [("127.0.0.1", next(ports)), ("127.0.0.1", next(ports)), (alive.address, alive.port)]
        entries |= simple(host, host.replace(".", "-"), endpoints, settings={"tries": tries})
    plane.push(entries)
    asked = [http.get(plane.http, "/", host=host).status for host in hosts]
    assert max(asked) == status


@pytest.mark.parametrize(
    ("host", "location"),
    [
        ("a.example.com:8080", "https://a.example.com/x"),
        ("[2001:db8::1]:8080", "https://[2001:db8::1]/x"),
        ("[2001:db8::1]", "https://[2001:db8::1]/x"),
    ],
)
def test_the_redirect_to_https_keeps_the_host_and_drops_its_port(
    backends: Backends, host: str, location: str
) -> None:
    """IPv6 literals too."""
    (one,) = backends.group("any", 1)
    with DataPlane({**simple("_", "s", [(one.address, one.port)]), "t/_": TlsHost()}, workers=1) as plane:
        answer = http.get(plane.http, "/x/", host=host)
        assert (answer.status, answer.get("Location")) == (308, location)
