"""The shortest walk: one Ingress, one Service, one slice become host, route and backend."""

import msgspec

from tidegate.kube.objects import KINDS, Ref, Resource
from tidegate.model import Backend, Endpoint, Host, PathKind, Rule, decode
from tidegate.translate import Options, Translator


def load(kind: str, **fields: object) -> tuple[Ref, Resource]:
    resource = msgspec.convert(fields, KINDS[kind])
    return resource.ref, resource


OBJECTS = [
    load(
        "Ingress",
        metadata={"name": "web", "namespace": "shop"},
        spec={
            "rules": [
                {
                    "host": "shop.example",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "web", "port": {"number": 80}}},
                            }
                        ]
                    },
                }
            ]
        },
    ),
    load(
        "Service",
        metadata={"name": "web", "namespace": "shop"},
        spec={"ports": [{"port": 80, "targetPort": 8080}]},
    ),
    load(
        "EndpointSlice",
        metadata={"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        addressType="IPv4",
        endpoints=[{"addresses": ["10.0.0.1"]}],
        ports=[{"port": 8080}],
    ),
]


def test_one_ingress_becomes_host_route_and_backend() -> None:
    """A rule leads from its host over its route to the endpoints of its Service."""
    translator = Translator(Options(folder=True, watch_without_class=True))
    translator.apply(OBJECTS)
    work = translator.step(lambda: True)
    host = decode("h/main/shop.example", translator.entries["h/main/shop.example"])
    assert isinstance(host, Host)
    (rule,) = host.rules
    assert rule == Rule(PathKind.PREFIX, "/", rule.route)
    assert rule.route.startswith("shop/web/")
    assert decode("b/shop/web/80", translator.entries["b/shop/web/80"]) == Backend(
        (Endpoint("10.0.0.1", 8080),)
    )
    assert set(work.changes) >= {"h/main/shop.example", f"r/{rule.route}", "b/shop/web/80", "g"}
    assert not translator.step(lambda: True)
