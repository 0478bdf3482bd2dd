"""Changes of the folder come into force without a reload, or with one where nginx needs it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from harness import http, manifests, waiting
from harness.certs import Authority
from harness.gateway import Gateway
from harness.manifests import Manifest, path, rule, tls_secret
from harness.services import Services


def test_routes_endpoints_timeouts_weights_and_certificates_need_no_reload(
    gateway: Gateway, services: Services, host: str, authority: Authority
) -> None:
    """A hundred changes, each in force, and the counter does not move; nor do the workers."""
    first, second = services.start("first"), services.start("second")
    before = gateway.status()
    for turn in range(20):
        instance = (first, second)[turn % 2]
        objects: list[Manifest] = [
            *services.of("web", instance),
            tls_secret("pair", pair := authority.issue(host), namespace=services.namespace),
            services.ingress(
                "web",
                rule(host, path(f"/v{turn}", "web")),
                tls=[([host], "pair")],
                annotations={"ssl-redirect": "false", "proxy-read-timeout": 30 + turn},
            ),
            services.ingress(
                "canary",
                rule(host, path(f"/v{turn}", "web")),
                annotations={"canary": "true", "canary-weight": turn},
            ),
        ]
        gateway.apply(*objects, name="changing.yaml")
        assert gateway.get(host, f"/v{turn}").backend == instance[0].id
        assert gateway.get(host, f"/v{turn - 1}").status == 404
        with http.Connection(gateway.https_port, tls=authority.client(), sni=host) as connection:
            assert connection.certificate().serial_number == pair.serial
    after = gateway.status()
    assert after["reloads"] == before["reloads"]
    assert after["workers"] == before["workers"]


def test_a_new_profile_costs_one_reload_and_a_known_one_none(
    gateway: Gateway, services: Services, host: str
) -> None:
    """Common limits are known from the start; requests are answered all the while."""
    gateway.apply(*services.make("web"))

    def put(size: str) -> None:
        wish = {"proxy-body-size": size}
        gateway.apply(
            services.ingress("web", rule(host, path("/", "web")), annotations=wish), name="profile.yaml"
        )

    def passes(count: int) -> bool:
        return gateway.get(host, method="POST", body=b"x" * count).status == 200

    before = gateway.reloads
    put("3333")
    waiting.until(lambda: passes(3333) and not passes(3334), 20, 0.02)
    assert gateway.reloads == before + 1
    put("8m")
    waiting.until(lambda: passes(3334), 20, 0.02)
    put("3333")
    waiting.until(lambda: passes(3333) and not passes(3334), 20, 0.02)
    assert gateway.reloads == before + 1


def test_what_is_removed_is_gone(gateway: Gateway, services: Services, host: str) -> None:
    """The host answers 404, as if it had never been."""
    name = gateway.apply(*services.make("web"), services.ingress("web", rule(host, path("/", "web"))))
    assert gateway.get(host).status == 200
    gateway.withdraw(name)
    assert gateway.get(host).status == 404


def test_an_endpoint_that_leaves_gets_no_new_request(gateway: Gateway, services: Services, host: str) -> None:
    """While those that stay go on."""
    instances = services.start("web", 3)
    gateway.apply(
        *services.of("web", instances), services.ingress("web", rule(host, path("/", "web"))), name="l.yaml"
    )
    gateway.apply(
        *services.of("web", instances[:2]),
        services.ingress("web", rule(host, path("/", "web"))),
        name="l.yaml",
    )
    before = instances[2].requests
    assert {gateway.get(host).backend for _ in range(12)} == {instances[0].id, instances[1].id}
    assert instances[2].requests == before


def test_a_folder_swapped_by_a_symbolic_link_is_followed(
    pool: object, services: Services, host: str, tmp_path: Path
) -> None:
    """As a mounted ConfigMap changes: ``..data`` is renamed over."""
    mounted = tmp_path / "mounted"
    objects = services.make("web")

    def publish(turn: int) -> None:
        real = mounted / f"..{turn}"
        real.mkdir(parents=True)
        text = manifests.dump([*objects, services.ingress("web", rule(host, path(f"/v{turn}", "web")))])
        (real / "all.yaml").write_text(text)
        (mounted / "..tmp").symlink_to(real.name)
        (mounted / "..tmp").rename(mounted / "..data")
        if turn == 0:
            (mounted / "all.yaml").symlink_to("..data/all.yaml")

    publish(0)
    with Gateway(folder=mounted) as gateway:
        gateway.eventually(host, "/v0", status=200)
        publish(1)
        gateway.eventually(host, "/v1", status=200)
        assert gateway.get(host, "/v0").status == 404


@pytest.mark.parametrize("way", ["subfolder", "rename", "json", "list"])
def test_files_may_come_in_any_way(gateway: Gateway, services: Services, host: str, way: str) -> None:
    """In folders made later, by renaming, as JSON, as a List."""
    objects = [*services.make("web"), services.ingress("web", rule(host, path("/", "web")))]
    folder = gateway.folder.path
    if way == "subfolder":
        deep = folder / f"deep-{host}" / "er"
        deep.mkdir(parents=True)
        time.sleep(0.05)
        (deep / "app.yaml").write_text(manifests.dump(objects))
    elif way == "rename":
        hidden = folder / f"app-{host}.unused"
        hidden.write_text(manifests.dump(objects))
        os.rename(hidden, folder / f"app-{host}.yaml")  # noqa: PTH104 - the call that is meant
    else:
        many = {"apiVersion": "v1", "kind": "List", "items": objects}
        text = json.dumps(many) if way == "json" else manifests.dump([many])
        (folder / f"app-{host}.{'json' if way == 'json' else 'yaml'}").write_text(text)
    gateway.eventually(host, backend=services.instance("web"))


def test_the_global_configmap_changes_what_routes_do_not_say(
    gateway: Gateway, services: Services, host: str
) -> None:
    """At once for data; an explicit annotation still wins."""
    gateway.apply(
        *services.make("web"),
        services.ingress("web", rule(host, path("/", "web"))),
        services.ingress(
            "own", rule(f"own.{host}", path("/", "web")), annotations={"force-ssl-redirect": "false"}
        ),
    )
    assert gateway.get(host).status == 200
    gateway.folder.write("global.yaml", manifests.config_map({"force-ssl-redirect": "true"}))
    gateway.eventually(host, status=308)
    assert gateway.get(f"own.{host}").status == 200
    gateway.folder.remove("global.yaml")
    gateway.eventually(host, status=200)


def test_a_backend_without_endpoints_is_503_until_its_first_one_is_ready(
    gateway: Gateway, services: Services, host: str
) -> None:
    """At once, with Retry-After; the last one that goes and the first one that comes back count from that moment."""
    (instance,) = services.start("web")
    port, namespace = instance.port, services.namespace
    gateway.apply(
        manifests.service("web", namespace=namespace),
        services.ingress("web", rule(host, path("/", "web"), path("/missing", "nobody"))),
    )
    slice_file = "only-slice.yaml"
    for ready in (False, True, False, True):
        gateway.folder.write(
            slice_file,
            manifests.endpoint_slice(
                "web",
                port,
                [instance.address],
                name="web",
                namespace=namespace,
                ready={instance.address: ready},
            ),
        )
        if ready:
            gateway.eventually(host, status=200, backend=instance.id, timeout=5)
        else:
            answer = gateway.eventually(host, status=503, timeout=5)
            assert (answer.get("Retry-After"), answer.backend) == ("5", None)
    before = instance.requests
    assert gateway.get(host, "/missing").get("Retry-After") == "5"
    assert instance.requests == before
