"""What `explain` says of a request is what the gateway does with it, for random requests to random manifests.

The answers of the real gateway, its backends and its access log are compared with the pure decision over the entries
that it has in force. ``TIDEGATE_DEEP=1`` asks 10,000 questions instead of 1,000.
"""

from __future__ import annotations

import itertools
import json
import os
import ssl
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from harness import certs, http, keeper, waiting
from harness.backends import Backends
from harness.gateway import Gateway
from harness.services import Services
from tests.e2e._worlds import World
from tidegate import model
from tidegate.translate.explain import Answer, Decision, Entries, Request, decide

REQUESTS = 250
"""To one folder of manifests."""

DEEP = os.environ.get("TIDEGATE_DEEP") == "1"
SEEDS = range(40 if DEEP else 4)

_ids = itertools.count()
_seen: Counter[object] = Counter()
"""What was decided so far."""


class Asking:
    """Sends requests over connections that are opened again when the gateway has ended them."""

    def __init__(self, gateway: Gateway, tls: ssl.SSLContext) -> None:
        self._gateway = gateway
        self._tls = tls
        self._open: dict[str, http.Connection] = {}

    def ask(self, request: Request, name: str) -> http.Response:
        """Send a request under a name that the access log will hold."""
        headers = [*request.headers.items(), ("X-Request-ID", name)]
        connection = self._connection(request.scheme)
        try:
            response = connection.ask(request.uri, host=request.host, method=request.method, headers=headers)
        except OSError:
            self.close()
            return self.ask(request, name)
        if (response.get("Connection") or "") == "close":
            self.close()
        return response

    def close(self) -> None:
        """End all connections."""
        while self._open:
            self._open.popitem()[1].close()

    def _connection(self, scheme: str) -> http.Connection:
        if scheme not in self._open:
            tls = self._tls if scheme == "https" else None
            port = self._gateway.https_port if tls else self._gateway.http_port
            self._open[scheme] = http.Connection(port, tls=tls)
        return self._open[scheme]


@pytest.fixture(scope="module")
def worlds(pool: Backends) -> Iterator[Gateway]:
    with Gateway() as started:
        yield started


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", SEEDS)
def test_explain_says_what_the_gateway_does(
    worlds: Gateway, pool: Backends, authority: certs.Authority, seed: int
) -> None:
    """Status, redirect, route, backend, and what the backend is sent."""
    world = World(seed, Services(pool, f"world{seed}"), authority)
    file = worlds.apply(*world.objects())
    try:
        faults = compare(worlds, world)
    finally:
        worlds.withdraw(file)
    assert not faults, f"{len(faults)} of {REQUESTS}:\n" + "\n".join(faults[:12])


def test_the_questions_were_of_every_kind() -> None:
    """Or the agreement would say little."""
    assert set(Answer) - {Answer.PASSTHROUGH} <= _seen.keys()
    assert {400, 404, 503, 308} <= _seen.keys()
    assert _seen[Answer.BACKEND] > sum(_seen[answer] for answer in Answer) / 5
    assert _seen[True] > REQUESTS / 10


def compare(gateway: Gateway, world: World) -> list[str]:
    """Ask explain and the gateway the same; say where they differ."""
    entries = in_force(gateway)
    node = model.NodeSettings(http_port=gateway.http_port, https_port=gateway.https_port)
    instances = {
        model.Endpoint(b.address, b.port): b.id for n in ("s0", "s1", "s2") for b in world.instances[n]
    }
    asking = Asking(gateway, certs.credulous())
    faults: list[str] = []
    routes: dict[str, tuple[Request, str]] = {}
    try:
        for _ in range(REQUESTS):
            request = world.request()
            name = f"explain-{next(_ids)}"
            decision = decide(entries, request, node)
            _seen.update(
                [decision.answer, decision.status, decision.canary is not None, bool(decision.captures)]
            )
            if decision.status != 400:
                # What adds a slash is answered before there is a route.
                routes[name] = (
                    request,
                    "" if decision.status == 301 and not decision.route else decision.route_id,
                )
            if fault := difference(decision, asking.ask(request, name), entries, instances):
                faults.append(f"{request}: {fault}\n   {[s.said for s in decision.trail if s.decisive]}")
    finally:
        asking.close()
    return faults + log_differences(gateway, routes)


def in_force(gateway: Gateway) -> Entries:
    """Ask the keeper for all entries."""
    _, payload = keeper.ask(gateway.state_dir / "keeper.sock", "dump")
    changes = model.Delta.from_bytes(payload).changes
    return Entries({key: value for key, value in changes.items() if value is not None})


def difference(
    decision: Decision, response: http.Response, entries: Entries, instances: Mapping[model.Endpoint, str]
) -> str:
    """Say in what an answer differs from what was decided; empty if in nothing."""
    if decision.grpc_status is not None:
        status = (response.status, response.get("grpc-status"))
        return (
            ""
            if status == (200, str(decision.grpc_status))
            else f"wanted {decision.grpc_status}, got {status}"
        )
    if decision.answer is Answer.ERROR_PAGE and response.backend is not None:
        code = response.echo.get("X-Code")
        if code != [str(decision.status)]:
            return f"wanted a page for {decision.status}, got one for {code}"
    elif decision.answer is not Answer.BACKEND:
        wanted: tuple[object, ...] = (decision.status, decision.location or None, None)
        got: tuple[object, ...] = (response.status, response.get("Location"), response.backend)
        return "" if got == wanted else f"wanted {wanted}, got {got}"
    may = [*decision.endpoints]
    if decision.canary is not None and 0 < decision.canary.probability < 1:
        other = entries[f"b/{decision.canary.backend}"]
        assert isinstance(other, model.Backend)
        may += other.endpoints
    if response.backend is None:
        return f"wanted backend {decision.backend}, got {response.status} {response.get('Location')}"
    if response.backend not in {instances[endpoint] for endpoint in may}:
        return f"wanted backend {decision.backend}, got {response.backend}"
    echo = response.echo
    sent = (echo.uri, echo.get("Host"))
    return "" if sent == (decision.upstream_uri, [decision.upstream_host]) else (
        f"wanted {decision.upstream_uri} for {decision.upstream_host}, got {sent}"
    )  # fmt: skip


def log_differences(gateway: Gateway, routes: Mapping[str, tuple[Request, str]]) -> list[str]:
    """Say where the access log names another route than was decided. What nginx answers with 400 has no name there."""
    seen: dict[str, str] = {}

    def is_complete() -> bool:
        for line in gateway.access_log.read_text().splitlines():
            entry = json.loads(line)
            seen[entry["request_id"]] = entry["route"]
        return routes.keys() <= seen.keys()

    waiting.until(is_complete, 10, 0.1, why="every request in the access log")
    return [
        f"{request}: wanted route {wanted!r}, got {seen[name]!r}"
        for name, (request, wanted) in routes.items()
        if seen[name] != wanted
    ]
