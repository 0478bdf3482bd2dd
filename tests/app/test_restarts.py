"""What was good stays in force over restarts, even where the source can no longer show it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from harness import certs, http, keeper, waiting
from harness.backends import Backends
from harness.gateway import Gateway
from harness.manifests import Manifest, path, rule, tls_secret
from harness.services import Services

HOST, OTHER = "kept.example", "other.example"


@pytest.fixture(scope="module")
def pool() -> Iterator[Backends]:
    with Backends() as started:
        yield started


@pytest.fixture
def services(pool: Backends) -> Services:
    return Services(pool, "kept")


@pytest.fixture
def gateway(services: Services) -> Iterator[Gateway]:
    with Gateway(services.make("web")) as started:
        started.folder.write("app.yaml", services.ingress("app", rule(HOST, path("/", "web"))))
        started.eventually(HOST, status=200)
        yield started


def restart(gateway: Gateway) -> None:
    gateway.kill()
    gateway.start()
    # Something new in force says that the new controller has taken over.
    gateway.apply()


def test_a_restart_over_an_unchanged_folder_pushes_nothing(gateway: Gateway) -> None:
    before = gateway.status()
    gateway.kill()
    gateway.start()
    after = gateway.status()
    assert (after["version"], after["reloads"], after["workers"]) == (
        before["version"], before["reloads"], before["workers"],
    )  # fmt: skip


def test_a_file_that_broke_while_nobody_looked_keeps_its_last_good_content(gateway: Gateway) -> None:
    gateway.kill()
    gateway.folder.write_text("app.yaml", "{{{ not yaml")
    gateway.start()
    gateway.apply()
    assert gateway.get(HOST).status == 200
    gateway.folder.remove("app.yaml")
    gateway.eventually(HOST, status=404)


def test_an_object_that_turned_bad_while_nobody_looked_keeps_its_last_good_version(
    gateway: Gateway, services: Services
) -> None:
    gateway.kill()
    bad = services.ingress("app", rule(HOST, path("/", "web")), annotations={"proxy-body-size": "1m"})
    bad["spec"]["rules"] = "nonsense"
    gateway.folder.write("app.yaml", bad)
    gateway.start()
    gateway.apply()
    assert gateway.get(HOST).status == 200


CERTIFIED, BROKEN = "certified.example", "{{{ not yaml"


def certificate(gateway: Gateway) -> int:
    """Give the serial number of the certificate that is shown."""
    with http.Connection(gateway.https_port, tls=certs.credulous(), sni=CERTIFIED) as connection:
        return connection.certificate().serial_number


def application(services: Services, name: str) -> list[Manifest]:
    """Give everything of an application, with a port that its Service names."""
    made = services.make(name)
    made[0]["spec"]["ports"] = [{"name": "web", "port": 80, "targetPort": "web"}]
    made[1]["ports"][0]["name"] = "web"
    return [
        *made,
        tls_secret("pair", certs.Authority().issue(CERTIFIED), namespace=services.namespace),
        services.ingress(name, rule(CERTIFIED, path("/", name, "web")), tls=[([CERTIFIED], "pair")]),
    ]


def test_a_file_that_broke_keeps_services_endpoints_and_certificates_until_it_is_mended_or_gone(
    services: Services,
) -> None:
    with Gateway(application(services, "all"), args=["--configmap", "kept/none"]) as gateway:
        tls = certs.credulous()
        before = gateway.get_tls(CERTIFIED, tls=tls)
        assert before.backend == services.instance("all")
        serial = certificate(gateway)
        good = (gateway.folder.path / "objects.yaml").read_text()
        gateway.kill()
        gateway.folder.write_text("objects.yaml", BROKEN)
        gateway.start()
        gateway.apply()
        assert gateway.get_tls(CERTIFIED, tls=tls).backend == services.instance("all")
        assert certificate(gateway) == serial
        told = gateway.run("findings", "--output", "json").stdout
        assert "KeptFromEarlier" in told
        assert "objects.yaml" in told
        # Once more: what is kept is kept again.
        restart(gateway)
        assert gateway.get_tls(CERTIFIED, tls=tls).backend == services.instance("all")
        # Mended: the file alone counts, also where it says less.
        gateway.folder.write_text("objects.yaml", good)
        waiting.until(lambda: "KeptFromEarlier" not in gateway.run("findings", "--output", "json").stdout, 10)
        assert gateway.get_tls(CERTIFIED, tls=tls).backend == services.instance("all")
        gateway.kill()
        gateway.folder.write_text("objects.yaml", BROKEN)
        gateway.start()
        gateway.folder.remove("objects.yaml")
        gateway.eventually(CERTIFIED, status=404)
        restart(gateway)
        assert gateway.get(CERTIFIED).status == 404


def test_endpoints_in_a_good_file_count_alone_although_another_file_is_broken(
    gateway: Gateway, services: Services
) -> None:
    """Another one's mistake does not bring back an endpoint that went."""
    new = services.start("later")
    gateway.kill()
    gateway.folder.write_text("broken.yaml", "{{{ not yaml")
    objects = services.of("web", new)
    gateway.folder.write("objects.yaml", *objects)
    gateway.start()
    gateway.apply()
    assert {gateway.get(HOST).backend for _ in range(8)} == {services.instance("later")}


def test_an_object_that_is_bad_at_the_start_and_then_goes_is_gone(
    gateway: Gateway, services: Services
) -> None:
    gateway.kill()
    bad = services.ingress("app", rule(HOST, path("/", "web")))
    bad["spec"]["rules"] = "nonsense"
    gateway.folder.write("app.yaml", bad)
    gateway.start()
    gateway.apply()
    assert gateway.get(HOST).status == 200
    gateway.folder.remove("app.yaml")
    gateway.eventually(HOST, status=404)


def test_what_was_removed_while_nobody_looked_goes(gateway: Gateway, services: Services) -> None:
    gateway.kill()
    gateway.folder.remove("app.yaml")
    gateway.folder.write("other.yaml", services.ingress("other", rule(OTHER, path("/", "web"))))
    gateway.start()
    gateway.eventually(OTHER, status=200)
    gateway.eventually(HOST, status=404)


def test_a_keeper_that_died_is_started_again_and_adopts_nginx(gateway: Gateway, services: Services) -> None:
    before = gateway.status()
    os.kill(before["keeper"], signal.SIGKILL)
    gateway.folder.write("other.yaml", services.ingress("other", rule(OTHER, path("/", "web"))))
    gateway.eventually(OTHER, status=200)
    after = keeper.ask(gateway.state_dir / "keeper.sock", "status")[0]
    assert after["keeper"] != before["keeper"]
    assert (after["master"], after["workers"]) == (before["master"], before["workers"])


def test_changed_settings_of_the_node_are_adopted_with_one_reload(gateway: Gateway) -> None:
    before = gateway.status()
    gateway.kill()
    gateway._args += ["--store-size", "64m"]
    gateway.start()
    gateway.apply()
    assert gateway.get(HOST).status == 200
    assert gateway.status()["generation"] != before["generation"]
