"""What a proxied request costs in CPU, beside bare nginx: the same binary, proxy headers and keepalive.

One worker on one core; load (wrk) and a backend of 1 KiB answers on the other. All set-ups run side by side and are
loaded in interleaved rounds. Ratios of user time are made of all rounds together, because the kernel only samples what
is user time; ratios of total time are the median over rounds.

One of the hosts (paths) is asked where they are many, for what the structure of many costs; asking all in turn is told
beside, for what it costs that a worker's memory holds many.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import _report, _rounds
from bench._report import Row, Told
from harness import certs, cpu, http, manifests, nginx, waiting, wrk
from harness.bulk import Fleet
from harness.gateway import Gateway

HOSTS = 10_000
PATHS = 1_000
NAMES = 100
"""Names asked in turn where a set-up is about kinds of names."""

BARE = Path(__file__).with_name("bare.conf")


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    hosts: int
    paths: int
    rounds: int
    seconds: int


FULL, QUICK = Size(HOSTS, PATHS, 10, 3), Size(200, 100, 2, 1)

Requests = Sequence[tuple[str, str, dict[str, str]]]


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Measure plain HTTP, then TLS."""
    size = QUICK if quick else FULL
    with contextlib.ExitStack() as stack:
        backend = waiting.free_ports(1)[0]
        stack.enter_context(nginx.fast_backend(backend, cores={_rounds.LOAD_CORE}))
        pair = certs.Authority().issue("*.bulk.example")
        told(f"starting a gateway with {size.hosts:,} hosts, one with one host, and bare nginx")
        bare = stack.enter_context(bare_nginx(backend, pair))
        large = stack.enter_context(
            _gateway(
                Fleet(size.hosts, port=backend, address="127.0.0.1", annotated=False),
                _more(backend, pair, size),
            )
        )
        small = stack.enter_context(
            _gateway(Fleet(1, port=backend, address="127.0.0.1", annotated=False), ())
        )
        plain = _plain(bare, large, small, size)
        measured = _rounds.measure(plain, rounds=size.rounds, seconds=size.seconds, told=told)
        tls = _tls(bare, large)
        measured += _rounds.measure(
            tls, rounds=size.rounds, seconds=size.seconds, told=lambda t: told(f"TLS, {t}")
        )
    return _table({c.name: c for c in measured}, size)


def bare_nginx(backend: int, pair: certs.Pair, *, address: str = "127.0.0.1") -> nginx.Nginx:
    """Give a bare nginx with the gateway's own settings, on a plain port and one with TLS; not started."""
    plain, tls = waiting.free_ports(2)
    text = BARE.read_text().replace("@BACKEND@", f"{address}:{backend}").replace("@PORT@", str(plain))
    server = nginx.Nginx(text, cores={_rounds.WORKER_CORE})
    (server.folder / "tls.crt").write_text(pair.chain)
    (server.folder / "tls.key").write_text(pair.key)
    # The gateway's own TLS settings.
    server.text = server.text.replace(
        "server_name _;",
        f"listen 127.0.0.1:{tls} ssl reuseport backlog=4096;\n"
        "server_name _; ssl_certificate tls.crt; ssl_certificate_key tls.key; ssl_protocols TLSv1.2 TLSv1.3;\n"
        "ssl_session_cache shared:SSL:10m; ssl_session_tickets off; ssl_buffer_size 4k;",
    )
    return server


@contextlib.contextmanager
def _gateway(fleet: Fleet, more: Sequence[manifests.Manifest]) -> Iterator[Gateway]:
    gateway = Gateway(access_log=False, start_timeout=300)
    gateway.folder.write(
        "global.yaml", manifests.config_map({"worker-processes": "1", "ssl-redirect": "false"})
    )
    gateway.folder.write_text("fleet.yaml", fleet.one_file())
    gateway.folder.write("more.yaml", *more)
    with gateway:
        cpu.pin(gateway.processes(), {_rounds.LOAD_CORE})
        cpu.pin(gateway.workers, {_rounds.WORKER_CORE})
        yield gateway


def _more(backend: int, pair: certs.Pair, size: Size) -> list[manifests.Manifest]:
    """Give what is asked beside the fleet: many paths, one path, wildcard and exact names, two profiles, TLS."""
    many = [manifests.path(f"/p{i}", "more") for i in range(size.paths)]
    exact = [manifests.rule(f"e{i}.exact.example", manifests.path("/", "more")) for i in range(NAMES)]
    return [
        manifests.service("more"),
        manifests.endpoint_slice("more", backend, ["127.0.0.1"]),
        manifests.ingress("many", manifests.rule("many.example", *many)),
        manifests.ingress("one", manifests.rule("one.example", manifests.path("/p0", "more"))),
        manifests.ingress("exact", *exact),
        manifests.ingress("wildcard", manifests.rule("*.wildcard.example", manifests.path("/", "more"))),
        manifests.ingress(
            "override",
            manifests.rule("override.example", manifests.path("/", "more")),
            annotations={"proxy-read-timeout": "30", "proxy-connect-timeout": "2"},
        ),
        *(
            manifests.ingress(
                f"profile-{n}",
                manifests.rule("profiles.example", manifests.path(f"/{n}", "more")),
                annotations={"proxy-body-size": n, "proxy-buffering": "on"},
            )
            for n in ("3m", "5m")
        ),
        manifests.tls_secret("tls", pair),
        manifests.ingress(
            "tls",
            manifests.rule("tls.bulk.example", manifests.path("/", "more")),
            tls=[(["tls.bulk.example"], "tls")],
        ),
    ]


def _plain(bare: nginx.Nginx, large: Gateway, small: Gateway, size: Size) -> list[_rounds.Setup]:
    hot = _asked("h0.bulk.example")
    everywhere = [r for i in range(size.hosts) for r in _asked(f"h{i}.bulk.example")]
    paths = [r for i in range(size.paths) for r in _asked("many.example", f"/p{i}")]
    middle = _asked("many.example", f"/p{size.paths // 2}")
    ports = {"bare": (bare.ports()[0][0], tuple(bare.workers))}
    for name, gateway in (("large", large), ("small", small)):
        ports[name] = (gateway.http_port, tuple(gateway.workers))
    wanted: list[tuple[str, str, Requests]] = [
        ("bare", "bare", hot),
        ("hot host", "large", hot),
        ("overrides", "large", _asked("override.example")),
        ("bare, all hosts", "bare", everywhere),
        ("all hosts", "large", everywhere),
        ("only host", "small", hot),
        ("many paths", "large", middle),
        ("all paths", "large", paths),
        ("one path", "large", _asked("one.example", "/p0")),
        ("wildcard", "large", [r for i in range(NAMES) for r in _asked(f"e{i}.wildcard.example")]),
        ("exact", "large", [r for i in range(NAMES) for r in _asked(f"e{i}.exact.example")]),
        ("two profiles", "large", [*_asked("profiles.example", "/3m"), *_asked("profiles.example", "/5m")]),
        ("one profile", "large", _asked("profiles.example", "/3m")),
    ]
    setups = []
    for name, server, requests in wanted:
        port, workers = ports[server]
        _check(port, requests)
        setups.append(_rounds.Setup(name, workers, wrk.Target(f"http://127.0.0.1:{port}", requests)))
    return setups


def _tls(bare: nginx.Nginx, large: Gateway) -> list[_rounds.Setup]:
    asked = _asked("tls.bulk.example")
    tls_port = next(port for port, is_tls in bare.ports() if is_tls)
    return [
        _rounds.Setup("bare TLS", tuple(bare.workers), wrk.Target(f"https://127.0.0.1:{tls_port}", asked)),
        _rounds.Setup(
            "TLS", tuple(large.workers), wrk.Target(f"https://127.0.0.1:{large.https_port}", asked)
        ),
    ]


def _asked(host: str, path: str = "/") -> Requests:
    return [("GET", path, {"Host": host})]


def _check(port: int, requests: Requests) -> None:
    """Make sure that no wrong answers, which are cheap, are measured."""
    for method, path, headers in (requests[0], requests[-1]):
        answer = http.get(port, path, host=headers["Host"], method=method)
        if answer.status != 200 or len(answer.body) != 1024:
            raise RuntimeError(f"{headers['Host']}{path} answers {answer.status}, {len(answer.body)} bytes")


def _table(costs: dict[str, _rounds.Costs], size: Size) -> list[Row]:
    def total(what: str, base: str, measure: str, limit: float) -> Row:
        ratio = costs[what].ratio(costs[base], "total")
        detail = f"{costs[what].median('total'):.1f} ÷ {costs[base].median('total'):.1f} µs; {ratio}"
        return _report.at_most(measure, ratio.median, limit, _report.TIMES, detail)

    def user(what: str, base: str, measure: str, limit: float) -> Row:
        pooled = costs[what].pooled("user") / costs[base].pooled("user")
        detail = f"{costs[what].pooled('user'):.2f} ÷ {costs[base].pooled('user'):.2f} µs"
        return _report.at_most(measure, pooled, limit, _report.TIMES, detail)

    def beside(what: str, base: str, kind: str, measure: str) -> Row:
        mine, other = costs[what].pooled(kind), costs[base].pooled(kind)
        return _report.stated(measure, mine / other, _report.TIMES, f"{mine:.2f} ÷ {other:.2f} µs")

    hosts = f"{size.hosts:,} hosts"
    errors = sum(r.errors for c in costs.values() for r in c.rounds)
    requests = sum(r.requests for c in costs.values() for r in c.rounds)
    foreign = max(r.foreign for c in costs.values() for r in c.rounds)
    return [
        total("hot host", "bare", f"CPU per request ÷ bare nginx, {hosts} loaded: total", 1.08),
        user("hot host", "bare", f"CPU per request ÷ bare nginx, {hosts} loaded: user", 1.35),
        total("TLS", "bare TLS", "the same over TLS, h1 keepalive: total", 1.06),
        user("many paths", "one path", f"{size.paths:,} prefix paths on a host ÷ one: user", 1.05),
        user("hot host", "only host", f"{hosts} ÷ one: user", 1.05),
        user("wildcard", "exact", "wildcard ÷ exact: user", 1.05),
        total("two profiles", "one profile", "50/50 of two location profiles ÷ one: total", 1.08),
        beside("overrides", "bare", "total", "a route with timeouts of its own ÷ bare nginx: total"),
        beside("overrides", "bare", "user", "a route with timeouts of its own ÷ bare nginx: user"),
        beside("all hosts", "bare, all hosts", "total", f"all {hosts} asked in turn ÷ bare nginx: total"),
        beside("all hosts", "bare, all hosts", "user", f"all {hosts} asked in turn ÷ bare nginx: user"),
        beside("all paths", "one path", "user", f"all {size.paths:,} paths asked in turn ÷ one: user"),
        _report.exactly("errors in all of these", errors, 0, "", f"of {requests:,} requests"),
        _report.stated("worker's core used by anything else, at most", f"{foreign:.0%}", ""),
    ]
