"""How a Service's port becomes addresses (reference g.13)."""

from __future__ import annotations

import pytest

from harness import manifests
from harness.backends import Backends
from harness.gateway import Gateway
from harness.manifests import endpoint_slice, path, rule, service
from harness.services import Services


def test_a_port_is_found_by_number_and_by_name(gateway: Gateway, services: Services, host: str) -> None:
    """Each named port of a slice goes with the Service's port of that name."""
    (web,), (admin,) = services.start("web"), services.start("admin")
    space = services.namespace
    gateway.apply(
        service("app", ("http", 80, "http"), ("admin", 9000, "adm"), namespace=space),
        endpoint_slice("app", {"http": web.port, "admin": admin.port}, [web.address], namespace=space),
        services.ingress(
            "app",
            rule(
                host,
                path("/number", "app", 80),
                path("/name", "app", "http"),
                path("/admin", "app", "admin"),
                path("/none", "app", "absent"),
            ),
        ),
    )
    assert gateway.get(host, "/number").backend == web.id
    assert gateway.get(host, "/name").backend == web.id
    assert gateway.get(host, "/admin").backend == admin.id
    assert gateway.get(host, "/none").status == 503


def test_endpoints_that_are_not_ready_get_nothing(gateway: Gateway, services: Services, host: str) -> None:
    """One of which nothing is said counts as ready."""
    instances = services.start("web", 3)
    ready = {instances[0].address: False, instances[1].address: True}
    gateway.apply(
        service("web", namespace=services.namespace),
        endpoint_slice(
            "web",
            instances[0].port,
            [b.address for b in instances],
            namespace=services.namespace,
            ready=ready,
        ),
        services.ingress("web", rule(host, path("/", "web"))),
    )
    assert {gateway.get(host).backend for _ in range(12)} == {instances[1].id, instances[2].id}


def test_slices_of_one_service_are_taken_together(gateway: Gateway, services: Services, host: str) -> None:
    """An address that stands in two of them counts once."""
    first, second = services.start("one"), services.start("two")
    space = services.namespace
    gateway.apply(
        service("web", namespace=space),
        endpoint_slice("web", first[0].port, [first[0].address], name="web-1", namespace=space),
        endpoint_slice("web", first[0].port, [first[0].address], name="web-2", namespace=space),
        endpoint_slice("web", second[0].port, [second[0].address], name="web-3", namespace=space),
        services.ingress("web", rule(host, path("/", "web"))),
    )
    seen = [gateway.get(host).backend for _ in range(24)]
    assert set(seen) == {first[0].id, second[0].id}


def test_endpoints_objects_count_where_there_is_no_slice(
    gateway: Gateway, services: Services, host: str
) -> None:
    """The older kind of object."""
    (web,) = services.start("web")
    endpoints = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "web", "namespace": services.namespace},
        "subsets": [{"addresses": [{"ip": web.address}], "ports": [{"port": web.port}]}],
    }
    gateway.apply(
        service("web", namespace=services.namespace),
        endpoints,
        services.ingress("web", rule(host, path("/", "web"))),
    )
    assert gateway.get(host).backend == web.id


def test_a_headless_service_leads_to_its_endpoints(gateway: Gateway, services: Services, host: str) -> None:
    """At the target port."""
    (web,) = services.start("web")
    gateway.apply(
        service("web", namespace=services.namespace, cluster_ip="None"),
        endpoint_slice("web", web.port, [web.address], namespace=services.namespace),
        services.ingress("web", rule(host, path("/", "web"))),
    )
    assert gateway.get(host).backend == web.id


def test_service_upstream_sends_to_the_cluster_address(
    gateway: Gateway, services: Services, host: str
) -> None:
    """And to no endpoint."""
    virtual, pod = services.start("virtual")[0], services.start("pod")[0]
    space = services.namespace
    gateway.apply(
        service("web", virtual.port, namespace=space, cluster_ip=virtual.address),
        endpoint_slice("web", pod.port, [pod.address], namespace=space),
        services.ingress(
            "web", rule(host, path("/", "web", virtual.port)), annotations={"service-upstream": "true"}
        ),
    )
    assert {gateway.get(host).backend for _ in range(6)} == {virtual.id}


def test_service_upstream_without_a_cluster_address_uses_endpoints(
    gateway: Gateway, services: Services, host: str
) -> None:
    """A headless Service has none."""
    (web,) = services.start("web")
    gateway.apply(
        service("web", namespace=services.namespace, cluster_ip="None"),
        endpoint_slice("web", web.port, [web.address], namespace=services.namespace),
        services.ingress("web", rule(host, path("/", "web")), annotations={"service-upstream": "true"}),
    )
    assert gateway.get(host).backend == web.id


def test_an_external_name_is_resolved(
    gateway: Gateway, pool: Backends, services: Services, host: str
) -> None:
    """As the machine resolves it."""
    web = pool.one(services.instance("web"))
    gateway.apply(
        service("web", web.port, namespace=services.namespace, external_name="localhost"),
        services.ingress("web", rule(host, path("/", "web", web.port))),
    )
    gateway.eventually(host, backend=web.id)


@pytest.mark.parametrize("name", ["no-such-host.invalid", "not a name", ""])
def test_an_external_name_that_leads_nowhere_is_503(
    gateway: Gateway, services: Services, host: str, name: str
) -> None:
    """And disturbs nobody else."""
    made = service("web", 80, namespace=services.namespace, external_name=name)
    made["spec"].update(type="ExternalName", externalName=name)
    gateway.apply(made, services.ingress("web", rule(host, path("/", "web"))))
    assert gateway.get(host).status == 503


def test_a_backend_that_is_no_service_is_the_default_backend(
    gateway: Gateway, services: Services, host: str
) -> None:
    """``resource`` backends are not supported."""
    resource = {"resource": {"kind": "Bucket", "name": "b", "apiGroup": "example.com"}}
    spec = manifests.rule(host, {"path": "/", "pathType": "Prefix", "backend": resource})
    gateway.apply(services.ingress("web", spec))
    assert gateway.get(host).status == 404
