"""No byte of a tenant's text reaches nginx.conf, whatever stands in whichever field (C1)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import crossplane
import pytest

from harness import http, manifests, waiting
from harness.backends import Backends
from harness.certs import Authority, Pair
from harness.gateway import Gateway
from harness.manifests import Manifest, path, rule
from harness.services import Services
from tests.faults._payloads import CANARY, payloads

ANNOTATIONS = (
    "ssl-redirect", "force-ssl-redirect", "permanent-redirect", "permanent-redirect-code", "rewrite-target", "use-regex",
    "proxy-connect-timeout", "proxy-send-timeout", "proxy-read-timeout", "service-upstream", "upstream-vhost",
    "allowlist-source-range", "whitelist-source-range", "canary", "canary-weight", "canary-weight-total",
    "canary-by-header", "canary-by-header-value", "canary-by-header-pattern", "canary-by-cookie", "proxy-body-size",
    "proxy-buffering", "preserve-trailing-slash", "use-port-in-redirects", "backend-protocol", "server-snippet",
    "ssl-passthrough", "configuration-snippet", "server-alias", "auth-url", "auth-tls-match-cn", "mirror-target",
    "no-such-annotation",
)  # fmt: skip

CONFIG = (
    "http-redirect-code", "no-tls-redirect-locations", "forwarded-for-header",
    "forwarded-host-header", "proxy-real-ip-cidr", "ssl-ciphers", "ssl-protocols", "worker-processes", "keep-alive",
    "client-header-buffer-size", "large-client-header-buffers", "client-body-buffer-size", "ssl-session-cache-size",
    "ssl-session-timeout", "ssl-buffer-size", "proxy-body-size", "proxy-buffering", "proxy-next-upstream",
    "upstream-keepalive-time", "worker-shutdown-timeout", "bind-address", "server-tokens", "use-http2",
    "log-format-upstream", "error-log-level", "http-snippet",
)  # fmt: skip


@pytest.fixture(scope="module")
def services(pool: Backends) -> Services:
    return Services(pool, "inject")


@pytest.fixture(scope="module")
def gateway(services: Services) -> Iterator[Gateway]:
    with Gateway(services.make("web")) as started:
        yield started


def ingresses(payload: str, n: int) -> Iterator[Manifest]:
    """Give Ingresses with the payload in one field each."""
    host = f"i{n}.example"
    plain = rule(host, path("/", "web"))
    for at, name in enumerate(ANNOTATIONS):
        # Each has a host of its own, so that one that is refused hides no other.
        own = rule(f"a{at}-{host}", path("/", "web"))
        yield manifests.ingress(f"a{at}-{n}", own, namespace="inject", annotations={name: payload})
    named: list[Manifest] = [
        manifests.ingress(f"host-{n}", rule(payload, path("/", "web"))),
        manifests.ingress(f"wild-{n}", rule(f"*.{payload}", path("/", "web"))),
        manifests.ingress(f"path-{n}", rule(f"p{host}", path(f"/{payload}", "web"))),
        manifests.ingress(f"exact-{n}", rule(f"e{host}", path(payload, "web", kind="Exact"))),
        manifests.ingress(f"kind-{n}", rule(f"k{host}", path("/", "web", kind=payload))),
        manifests.ingress(
            f"regex-{n}", rule(f"r{host}", path(f"/{payload}", "web")), annotations={"use-regex": "true"}
        ),
        manifests.ingress(f"service-{n}", rule(f"s{host}", path("/", payload))),
        manifests.ingress(f"port-{n}", rule(f"o{host}", path("/", "web", payload))),
        manifests.ingress(f"tls-{n}", plain, tls=[([payload], payload)]),
        manifests.ingress(f"class-{n}", plain, ingress_class=payload),
        manifests.ingress(f"x{payload}", rule(f"n{host}", path("/", "web"))),
    ]
    for manifest in named:
        manifest["metadata"]["namespace"] = "inject"
        yield manifest
    yield manifests.ingress(f"space-{n}", rule(f"m{host}", path("/", "web")), namespace=payload)


def others(payload: str, n: int, pair: Pair) -> Iterator[Manifest]:
    """Give Services, slices and Secrets with the payload in one field each, and Ingresses that name them."""
    host, space = f"j{n}.example", "inject"
    yield manifests.service(f"external-{n}", namespace=space, external_name=payload)
    yield manifests.service(f"named-{n}", (payload, 80, payload), namespace=space)
    yield manifests.service(f"cluster-{n}", namespace=space, cluster_ip=payload)
    yield manifests.endpoint_slice(f"named-{n}", {payload: 80}, ["127.0.0.1"], namespace=space)
    yield manifests.endpoint_slice(f"cluster-{n}", 80, [payload], name=f"address-{n}", namespace=space)
    yield manifests.tls_secret(f"chain-{n}", Pair(payload + pair.chain, pair.key), namespace=space)
    yield manifests.tls_secret(f"key-{n}", Pair(pair.chain, pair.key + payload), namespace=space)
    wish = {"service-upstream": "true"}
    yield manifests.ingress(
        f"uses-{n}",
        rule(
            f"x{host}",
            path("/", f"external-{n}"),
            path("/n", f"named-{n}", payload),
            path("/c", f"cluster-{n}"),
        ),
        namespace=space,
        annotations=wish,
    )
    for secret in ("chain", "key"):
        name = f"{secret}.{host}"
        yield manifests.ingress(
            f"{secret}-{n}", rule(name, path("/", "web")), namespace=space, tls=[([name], f"{secret}-{n}")]
        )


def configurations(gateway: Gateway) -> list[Path]:
    return sorted(gateway.state_dir.rglob("nginx.conf"))


def structure(file: Path) -> Any:
    """Give the tree of directives, by an independent parser: names, nesting, numbers of arguments."""
    parsed = crossplane.parse(str(file), single=True, strict=False, check_ctx=False, check_args=False)
    assert parsed["status"] == "ok", parsed["errors"]

    def shape(block: list[dict[str, Any]]) -> list[Any]:
        return [(d["directive"], len(d["args"]), shape(d.get("block", []))) for d in block]

    return shape(parsed["config"][0]["parsed"])


@pytest.mark.timeout(180)
def test_no_field_of_a_tenant_reaches_the_configuration(
    gateway: Gateway, services: Services, authority: Authority
) -> None:
    """The tree of directives stays what it was, nothing is run, and the gateway serves on."""
    target = gateway.root / "made-by-injection"
    before = [structure(f) for f in configurations(gateway)]
    pair = authority.issue("inject.example")
    all_payloads = payloads(str(target))
    assert len(all_payloads) >= 60
    for n, payload in enumerate(all_payloads):
        gateway.folder.write_text(
            f"tenant-{n}.yaml", _text([*ingresses(payload, n), *others(payload, n, pair)])
        )
    gateway.apply(services.ingress("after", rule("after.example", path("/", "web"))), timeout=60)
    _ask_everywhere(gateway, len(all_payloads))
    assert gateway.get("after.example").status == 200
    for file, tree in zip(configurations(gateway), before, strict=True):
        assert CANARY not in file.read_text()
        assert structure(file) == tree
    assert not target.exists()
    assert gateway.reloads == 0
    assert "lua" not in gateway.nginx_logs().lower()


def _text(objects: list[Manifest]) -> str:
    """JSON is YAML too, and says every character."""
    return "\n---\n".join(json.dumps(o) for o in objects)


def _ask_everywhere(gateway: Gateway, count: int) -> None:
    """Ask all hosts that may have come into force: none answers 500, and no header is split."""
    for n in range(count):
        names = [
            f"{start}{n}.example" for start in ("i", "pi", "ei", "ki", "ri", "si", "oi", "ni", "mi", "xj")
        ]
        names += [f"a{at}-i{n}.example" for at in range(len(ANNOTATIONS))]
        with http.Connection(gateway.http_port) as connection:
            for name in names:
                answer = connection.ask(f"/{CANARY}", host=name)
                assert answer.status != 500, (name, answer)
                assert answer.get("Set-Cookie") is None, (name, answer)


@pytest.mark.timeout(120)
def test_no_line_of_a_service_and_no_passed_through_host_is_a_way_into_the_configuration(
    tmp_path: Path,
) -> None:
    """Port numbers and DNS names are all that gets there: each payload as key, as value, and as host."""
    target = tmp_path / "made-by-injection"
    flags = [
        "--tcp-services-configmap",
        "x/tcp",
        "--udp-services-configmap",
        "x/udp",
        "--enable-ssl-passthrough",
    ]
    good, other = waiting.free_ports(2)
    with Gateway([manifests.service("web")], args=flags) as gateway:
        for n, payload in enumerate(payloads(str(target))[::3]):
            hosts = (payload, f"{payload}.example", f"a.{payload}")
            rules = [rule(host, path("/", "web")) for host in hosts]
            for at, each in enumerate(rules):
                made = manifests.ingress(f"p{at}-{n}", each, annotations={"ssl-passthrough": "true"})
                gateway.folder.write_text(f"p{at}-{n}.yaml", _text([made]))
            data = {
                payload: "default/web:80", str(good): "default/web:80", str(other): payload,
                f"{other}{payload}": f"default/web:80:{payload}", "9": f"default/{payload}:80", "10": f"{payload}/web:80",
            }  # fmt: skip
            for protocol in ("tcp", "udp"):
                lines = manifests.config_map(data, name=protocol, namespace="x")
                gateway.folder.write_text(f"{protocol}.yaml", _text([lines]))
            gateway.apply(name="mark.yaml", timeout=60)
        waiting.until(lambda: f"tg_tcp_{good}" in configurations(gateway)[-1].read_text(), 60)
        for file in configurations(gateway):
            text = file.read_text()
            assert CANARY not in text
            assert str(target) not in text
            ports = {
                line.split(":")[1].split()[0].strip(";")
                for line in text.splitlines()
                if "listen 0.0.0.0:" in line
            }
            assert ports <= {
                str(p) for p in (good, gateway.http_port, gateway.https_port, gateway.status_port)
            }
        assert not target.exists()
        assert gateway.get("nobody.example").status == 404


@pytest.mark.timeout(120)
def test_no_key_of_the_global_configmap_is_a_way_into_the_configuration(
    pool: Backends, tmp_path: Path
) -> None:
    """It is the administrator's, and typed all the same: each payload in each key, a few at a time."""
    services = Services(pool, "config")
    target = tmp_path / "made-by-injection"
    with Gateway(
        [*services.make("web"), services.ingress("web", rule("ok.example", path("/", "web")))]
    ) as gateway:
        before = structure(configurations(gateway)[-1])
        for payload in payloads(str(target))[::4]:
            gateway.folder.write_text(
                "global.yaml", _text([manifests.config_map(dict.fromkeys(CONFIG, payload))])
            )
            gateway.apply(services.ingress("next", rule("next.example", path("/", "web"))), name="next.yaml")
            assert gateway.get("ok.example").status == 200, payload
        for file in configurations(gateway):
            assert CANARY not in file.read_text()
        assert structure(configurations(gateway)[-1]) == before
        assert not target.exists()
        with contextlib.suppress(FileNotFoundError):
            gateway.folder.remove("global.yaml")


def test_a_global_allow_list_that_cannot_be_read_lets_nobody_in(services: Services) -> None:
    """A protection fails closed; what can be read of it holds."""
    with Gateway(
        [*services.make("web"), services.ingress("web", rule("ok.example", path("/", "web")))]
    ) as gateway:
        assert gateway.get("ok.example").status == 200
        for ranges, status in (
            ("nonsense", 403),
            ("nonsense, 127.0.0.0/8", 200),
            ("10.0.0.0/8, nonsense", 403),
        ):
            gateway.folder.write("global.yaml", manifests.config_map({"whitelist-source-range": ranges}))
            gateway.eventually("ok.example", status=status)
