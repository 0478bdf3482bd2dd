"""The builders make what Kubernetes' own objects look like: the gateway's types read them."""

from __future__ import annotations

import msgspec
import yaml

from harness import bulk, manifests
from tidegate.kube import objects


def read(text: str) -> list[objects.Resource]:
    documents = list(yaml.safe_load_all(text))
    return [msgspec.convert(d, objects.KINDS[d["kind"]]) for d in documents]


def test_built_objects_read_as_typed_ones() -> None:
    """Names, references and annotations arrive where they belong."""
    made = [
        manifests.ingress(
            "shop",
            manifests.rule(
                "shop.example", manifests.path("/", "web", "http"), manifests.path("/x", "web", 80)
            ),
            annotations={"ssl-redirect": "false"},
            tls=[(["shop.example"], "shop-tls")],
        ),
        manifests.service("web", ("http", 80, "web")),
        manifests.endpoint_slice("web", {"http": 8080}, ["127.0.0.1"], ready={"127.0.0.1": False}),
    ]
    ingress, service, endpoints = read(manifests.dump(made))
    assert isinstance(ingress, objects.Ingress)
    assert ingress.metadata.annotations == {"nginx.ingress.kubernetes.io/ssl-redirect": "false"}
    assert ingress.spec is not None
    assert ingress.spec.tls is not None
    assert ingress.spec.tls[0].secret_name == "shop-tls"
    assert isinstance(service, objects.Service)
    assert service.spec is not None
    assert service.spec.ports is not None
    assert service.spec.ports[0].target_port == "web"
    assert isinstance(endpoints, objects.EndpointSlice)
    assert endpoints.endpoints is not None
    assert endpoints.endpoints[0].conditions == objects.EndpointConditions(ready=False)


def test_a_fleet_has_three_objects_each_and_distinct_addresses() -> None:
    """No address twice, no name twice, in one file or in many."""
    fleet = bulk.Fleet(count=300, endpoints=10)
    found = read(fleet.one_file())
    assert len({o.ref for o in found}) == len(found) == 900
    addresses = [
        a
        for o in found
        if isinstance(o, objects.EndpointSlice)
        for e in o.endpoints or ()
        for a in e.addresses or ()
    ]
    assert len(addresses) == len(set(addresses)) == 3000
    assert [o.ref for name, text in fleet.files() for o in read(text)] == [o.ref for o in found]
    assert read(fleet.slice(1, []))[0].endpoints == ()  # type: ignore[union-attr]
