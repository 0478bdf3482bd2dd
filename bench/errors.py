"""What error pages cost: a route that only lists errors, one whose backend's answers could be held back, and a page itself.

Set-ups are loaded in interleaved rounds as in ``request_path``; all ratios are against a plain route of the same gateway.
"""

from __future__ import annotations

from bench import _report, _rounds
from bench._report import Row, Told
from harness import cpu, http, manifests, nginx, waiting, wrk
from harness.gateway import Gateway
from harness.manifests import Manifest, path, rule

NAMES = ("plain", "listed", "held", "page", "built-in")

_LISTED = {"default-backend": "web", "disable-proxy-intercept-errors": "true"}
_ANNOTATIONS = {
    "plain": {},
    "listed": {**_LISTED, "custom-http-errors": "502,503"},
    "held": {"default-backend": "web", "custom-http-errors": "404,503"},
    "page": {**_LISTED, "custom-http-errors": "403", "allowlist-source-range": "10.0.0.0/8"},
    "built-in": {"allowlist-source-range": "10.0.0.0/8"},
}


def rows(quick: bool, told: Told) -> list[Row]:  # noqa: FBT001 - the face of every group
    """Measure all of it side by side."""
    rounds, seconds = (2, 1) if quick else (10, 2)
    backend = waiting.free_ports(1)[0]
    with (
        nginx.fast_backend(backend, cores={_rounds.LOAD_CORE}),
        Gateway(_objects(backend), access_log=False) as gateway,
    ):
        cpu.pin(gateway.processes(), {_rounds.LOAD_CORE})
        cpu.pin(gateway.workers, {_rounds.WORKER_CORE})
        for name in NAMES:
            _check(gateway, name)
        setups = [_setup(gateway, name) for name in NAMES]
        measured = _rounds.measure(setups, rounds=rounds, seconds=seconds, told=told)
    return _table({costs.name: costs for costs in measured})


def _objects(backend: int) -> list[Manifest]:
    return [
        manifests.config_map({"worker-processes": "1"}),
        manifests.service("web"),
        manifests.endpoint_slice("web", backend, ["127.0.0.1"]),
        *(
            manifests.ingress(name, rule(f"{name}.example", path("/", "web")), annotations=annotations)
            for name, annotations in _ANNOTATIONS.items()
        ),
    ]


def _setup(gateway: Gateway, name: str) -> _rounds.Setup:
    asked = [("GET", "/", {"Host": f"{name}.example"})]
    return _rounds.Setup(
        name, tuple(gateway.workers), wrk.Target(f"http://127.0.0.1:{gateway.http_port}", asked)
    )


def _check(gateway: Gateway, name: str) -> None:
    """Make sure that what is measured is what it is called."""
    answer = http.get(gateway.http_port, host=f"{name}.example")
    if answer.status != (403 if name == "built-in" else 200):
        raise RuntimeError(f"{name}.example answers {answer.status}")


def _table(costs: dict[str, _rounds.Costs]) -> list[Row]:
    def beside(name: str) -> tuple[float, str]:
        ratio = costs[name].ratio(costs["plain"], "total")
        mine, plain = costs[name].median("total"), costs["plain"].median("total")
        return ratio.median, f"{mine:.1f} ÷ {plain:.1f} µs; {ratio}"

    listed, held, page, own = (beside(name) for name in NAMES[1:])
    return [
        _report.at_most("a route that lists errors ÷ a plain one", listed[0], 1.02, _report.TIMES, listed[1]),
        _report.at_most("one that holds answers back ÷ a plain one", held[0], 1.08, _report.TIMES, held[1]),
        _report.stated("an error page ÷ a plain request", page[0], _report.TIMES, page[1]),
        _report.stated("a built-in error ÷ a plain request", own[0], _report.TIMES, own[1]),
    ]
