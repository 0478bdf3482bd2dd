"""Allow lists, canaries, virtual hosts: policies that are data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from harness import manifests
from harness.gateway import Gateway
from harness.manifests import Manifest, path, rule
from harness.services import Services

CanaryMaker = Callable[..., str]


@pytest.mark.parametrize(
    ("ranges", "status"),
    [
        ("127.0.0.1", 200),
        ("10.0.0.0/8, 127.0.0.0/8", 200),
        ("10.0.0.0/8", 403),
        ("10.0.0.0/8,nonsense", 503),
    ],
)
def test_an_allow_list_lets_only_its_ranges_in(
    gateway: Gateway, services: Services, host: str, ranges: str, status: int
) -> None:
    """One that cannot be understood lets nobody in."""
    gateway.apply(
        *services.make("web"),
        services.ingress("web", rule(host, path("/", "web")), annotations={"allowlist-source-range": ranges}),
    )
    assert gateway.get(host).status == status


def test_an_allow_list_is_not_evaded_by_a_header(gateway: Gateway, services: Services, host: str) -> None:
    """The address is that of the connection, unless the peer is trusted."""
    annotations = {"allowlist-source-range": "10.0.0.0/8"}
    gateway.apply(
        *services.make("web"), services.ingress("web", rule(host, path("/", "web")), annotations=annotations)
    )
    assert (
        gateway.get(host, headers=[("X-Forwarded-For", "10.0.0.1"), ("X-Real-IP", "10.0.0.1")]).status == 403
    )


@pytest.fixture
def canary(gateway: Gateway, services: Services, host: str) -> CanaryMaker:
    """Put a canary with these annotations beside a stable Service."""
    base: list[Manifest] = [
        *services.make("stable", "fresh"),
        services.ingress("stable", rule(host, path("/", "stable"))),
    ]

    def put(**annotations: str) -> str:
        named = {"canary": "true"} | {f"canary-{k.replace('_', '-')}": v for k, v in annotations.items()}
        return gateway.apply(
            *base,
            services.ingress("fresh", rule(host, path("/", "fresh")), annotations=named),
            name=f"canary-{host}.yaml",
        )

    return put


def who(gateway: Gateway, services: Services, host: str, **headers: str) -> str:
    answer = gateway.get(host, headers=[(k.replace("_", "-"), v) for k, v in headers.items()])
    assert answer.backend is not None
    return answer.backend.removeprefix(f"{services.namespace}-").removesuffix("-0")


def test_a_header_sends_to_the_canary_or_keeps_from_it(
    gateway: Gateway, services: Services, host: str, canary: CanaryMaker
) -> None:
    """``always`` and ``never``; anything else falls through to the weight."""
    canary(by_header="X-Canary", weight="0")
    assert who(gateway, services, host, X_Canary="always") == "fresh"
    assert who(gateway, services, host, X_Canary="never") == "stable"
    assert who(gateway, services, host, X_Canary="perhaps") == "stable"
    assert who(gateway, services, host) == "stable"
    canary(by_header="X-Canary", weight="100")
    assert who(gateway, services, host, X_Canary="never") == "stable"
    assert who(gateway, services, host) == "fresh"


def test_a_header_may_need_a_value_of_its_own(
    gateway: Gateway, services: Services, host: str, canary: CanaryMaker
) -> None:
    """Then ``always`` means nothing."""
    canary(by_header="X-Group", by_header_value="beta")
    assert who(gateway, services, host, X_Group="beta") == "fresh"
    assert who(gateway, services, host, X_Group="always") == "stable"


def test_a_weight_shares_requests(
    gateway: Gateway, services: Services, host: str, canary: CanaryMaker
) -> None:
    """None, some or all; the share is about the weight."""
    reloads = gateway.reloads
    for weight, low, high in ((0, 0, 0), (30, 20, 110), (100, 200, 200)):
        canary(weight=str(weight))
        seen = Counter(who(gateway, services, host) for _ in range(200))
        assert low <= seen["fresh"] <= high, (weight, seen)
    assert gateway.reloads == reloads


def test_a_canary_without_endpoints_leaves_all_to_the_stable_service(
    gateway: Gateway, services: Services, host: str
) -> None:
    """Rather than failing its share."""
    gateway.apply(
        *services.make("stable"),
        manifests.service("fresh", namespace=services.namespace),
        services.ingress("stable", rule(host, path("/", "stable"))),
        services.ingress(
            "fresh", rule(host, path("/", "fresh")), annotations={"canary": "true", "canary-weight": "100"}
        ),
    )
    assert who(gateway, services, host) == "stable"


def test_a_canary_of_nothing_serves_nothing(gateway: Gateway, services: Services, host: str) -> None:
    """It makes no host of its own."""
    gateway.apply(
        *services.make("fresh"),
        services.ingress(
            "fresh", rule(host, path("/", "fresh")), annotations={"canary": "true", "canary-weight": "100"}
        ),
    )
    assert gateway.get(host).status == 404


@pytest.mark.parametrize(
    ("value", "sent"), [("inner.example", "inner.example"), ("in.$host", "in.{host}"), ("$host", "{host}")]
)
def test_a_virtual_host_replaces_the_host_that_the_backend_sees(
    gateway: Gateway, services: Services, host: str, value: str, sent: str
) -> None:
    """Variables of the request may be part of it; X-Forwarded-Host stays the client's."""
    gateway.apply(
        *services.make("web"),
        services.ingress("web", rule(host, path("/", "web")), annotations={"upstream-vhost": value}),
    )
    echo = gateway.get(host).echo
    assert echo.get("Host") == [sent.format(host=host)]
    assert echo.get("X-Forwarded-Host") == [host]
