"""Bad files and bad objects are kept apart: what was good stays in force, and everything else goes on (B12)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import manifests, waiting
from harness.backends import Backends
from harness.certs import Authority
from harness.gateway import Gateway
from harness.manifests import Manifest, path, rule
from harness.services import Services
from tests.faults._mutations import mutated


@pytest.fixture(scope="module")
def services(pool: Backends) -> Services:
    return Services(pool, "bad")


@pytest.fixture(scope="module")
def gateway(services: Services) -> Iterator[Gateway]:
    with Gateway(services.make("web")) as started:
        yield started


def app(services: Services, host: str) -> Manifest:
    return services.ingress(host.replace(".", "-"), rule(host, path("/", "web")))


def findings(gateway: Gateway) -> list[dict[str, object]]:
    done = gateway.run("findings", "--output", "json")
    assert done.returncode in {0, 1}, done.stderr
    listed = json.loads(done.stdout)
    return listed["findings"] if isinstance(listed, dict) else listed  # type: ignore[no-any-return]


def bomb() -> str:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(lines)


GOOD = "apiVersion: v1\nkind: Service\nmetadata: {name: other, namespace: bad}\nspec: {ports: [{port: 80}]}\n"

BROKEN: dict[str, str | bytes] = {
    "not YAML": "{{{ not yaml",
    "tabs": "apiVersion: v1\n\tkind: Service\n",
    "an anchor bomb": bomb(),
    "binary": bytes(range(256)),
    "not UTF-8": b"kind: \xff\xfe\n",
    "deep nesting": "[" * 100_000,
    "a scalar": "just text",
    "a list": "- 1\n- 2\n",
    "no kind": "apiVersion: v1\nmetadata: {name: x}\n",
    "kind is a list": "apiVersion: v1\nkind: [Service]\nmetadata: {name: x}\n",
    "no metadata": "apiVersion: networking.k8s.io/v1\nkind: Ingress\n",
    "metadata is text": "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: text\n",
    "name is a number": "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: 17}\n",
    "duplicate keys": "apiVersion: networking.k8s.io/v1\nkind: Ingress\nkind: Ingress\nmetadata: {name: x}\n",
    "NUL": 'apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: "a\\0b", namespace: bad}\n',
}

HARMLESS: dict[str, str | bytes] = {
    "nothing": "",
    "only comments": "# nothing\n---\n---\n",
    "an unknown kind": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n",
    "an unknown field": GOOD.replace("spec:", "unheard: of\nspec:"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_and_changes_nothing_else(
    gateway: Gateway, services: Services, case: str
) -> None:
    """Its last good content stays in force; other files are followed; it comes right again."""
    host = f"b{list(BROKEN).index(case)}.example"
    file = f"broken-{host}.yaml"
    gateway.folder.write(file, app(services, host))
    gateway.eventually(host, status=200)
    gateway.folder.write_text(file, BROKEN[case])
    gateway.apply(app(services, f"beside.{host}"))
    assert gateway.get(f"beside.{host}").status == 200
    assert gateway.get(host).status == 200
    waiting.until(
        lambda: any(str(f.get("file", "")).endswith(file) for f in findings(gateway)), 10, 0.1, case
    )
    gateway.folder.write(file, app(services, f"again.{host}"))
    gateway.eventually(f"again.{host}", status=200)
    gateway.eventually(host, status=404)
    assert not [f for f in findings(gateway) if str(f.get("file", "")).endswith(file)]


@pytest.mark.parametrize("case", HARMLESS)
def test_a_file_that_says_nothing_withdraws_what_it_held(
    gateway: Gateway, services: Services, case: str
) -> None:
    """It is not broken: it is as its author wants it."""
    host = f"h{list(HARMLESS).index(case)}.example"
    gateway.folder.write(f"harmless-{host}.yaml", app(services, host))
    gateway.eventually(host, status=200)
    gateway.folder.write_text(f"harmless-{host}.yaml", HARMLESS[case])
    gateway.eventually(host, status=404)


def test_a_file_half_written_in_place_takes_nothing_down(gateway: Gateway, services: Services) -> None:
    """However it is cut: what parses and is no object, or is not whole, leaves the last good version."""
    hosts = [f"half{n}.example" for n in range(3)]
    text = manifests.dump([app(services, h) for h in hosts])
    target = gateway.folder.path / "half.yaml"
    target.write_text(text)
    for host in hosts:
        gateway.eventually(host, status=200)
    for cut in range(1, len(text), max(len(text) // 25, 1)):
        with target.open("w") as file:
            file.write(text[:cut])
            file.flush()
            file.write(text[cut:])
    gateway.apply(app(services, "after-half.example"))
    for host in hosts:
        gateway.eventually(host, status=200)


def test_one_object_in_two_files_is_told_and_served_once(gateway: Gateway, services: Services) -> None:
    """The duplicate is a finding; removing it changes nothing."""
    gateway.folder.write("twin-1.yaml", app(services, "twin.example"))
    gateway.eventually("twin.example", status=200)
    gateway.folder.write("twin-2.yaml", app(services, "twin.example"))
    gateway.apply(app(services, "beside-twin.example"))
    assert gateway.get("twin.example").status == 200
    waiting.until(lambda: any("twin" in str(f) for f in findings(gateway)), 10, 0.1, "a finding")
    gateway.folder.remove("twin-2.yaml")
    gateway.apply(app(services, "beside-twin-2.example"))
    assert gateway.get("twin.example").status == 200


def originals(services: Services, authority: Authority) -> list[Manifest]:
    """One object of each kind with every field that is read."""
    pair = authority.issue("mutant.example")
    return [
        services.ingress(
            "mutant",
            rule("mutant.example", path("/", "web", "http")),
            annotations={"proxy-read-timeout": "30", "rewrite-target": "/x", "canary-weight": "3"},
            tls=[(["mutant.example"], "mutant")],
            default=("web", 80),
            ingress_class="nginx",
            created="2024-01-01T00:00:00Z",
        ),
        manifests.service("mutant", ("http", 80, "web"), namespace="bad", cluster_ip="127.0.0.9"),
        manifests.endpoint_slice(
            "mutant", {"http": 8080}, ["127.0.0.1"], namespace="bad", ready={"127.0.0.1": True}
        ),
        manifests.tls_secret("mutant", pair, namespace="bad"),
        manifests.ingress_class("mutant", "k8s.io/ingress-nginx"),
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": "mutant", "namespace": "bad"},
            "subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"name": "http", "port": 80}]}],
        },
        manifests.config_map({"proxy-read-timeout": "30"}, name="other", namespace="bad"),
    ]


@pytest.mark.timeout(180)
def test_no_field_of_any_object_can_disturb_the_gateway(
    gateway: Gateway, services: Services, authority: Authority
) -> None:
    """Absent, null, of another type, empty or huge: the rest converges, no request is answered 500, no Lua error."""
    gateway.apply(app(services, "steady.example"))
    cases = [case for original in originals(services, authority) for case in mutated(original)]
    assert len(cases) > 500
    for start in range(0, len(cases), 40):
        batch = cases[start : start + 40]
        for number, (_, changed) in enumerate(batch):
            gateway.folder.write(f"mutant-{number}.yaml", _renamed(changed, number))
        gateway.apply(app(services, f"mutants-{start}.example"))
        assert gateway.get(f"mutants-{start}.example").status == 200, batch
        assert gateway.get("steady.example").status == 200, batch
        for host in ("mutant.example", "text", "x"):
            assert gateway.get(host).status != 500, batch
    assert gateway.process is not None
    assert gateway.process.poll() is None
    assert "lua" not in gateway.nginx_logs().lower()


def _renamed(manifest: Manifest, number: int) -> Manifest:
    """Each mutation of a batch is an object of its own, except that an Ingress keeps its host."""
    return {**manifest, "metadata": {**manifest["metadata"], "name": f"mutant-{number}"}}


def test_very_large_objects_are_served_or_refused_but_not_fatal(gateway: Gateway, services: Services) -> None:
    """Ten thousand rules, a hundred thousand endpoints, an annotation of a megabyte."""
    rules = [rule(f"many{n}.example", path("/", "web")) for n in range(10_000)]
    gateway.folder.write("rules.yaml", services.ingress("rules", *rules))
    gateway.eventually("many9999.example", status=200, timeout=30)
    addresses = [f"10.{n // 62500}.{n // 250 % 250}.{1 + n % 250}" for n in range(100_000)]
    gateway.folder.write(
        "endpoints.yaml",
        manifests.service("huge", namespace="bad"),
        manifests.endpoint_slice("huge", 80, addresses, namespace="bad"),
    )
    text = services.ingress(
        "text", rule("text.example", path("/", "web")), annotations={"upstream-vhost": "x" * 2**20}
    )
    gateway.folder.write("text.yaml", text)
    gateway.apply(app(services, "after-large.example"), timeout=30)
    assert gateway.get("after-large.example").status == 200
    for name in ("rules.yaml", "endpoints.yaml", "text.yaml"):
        gateway.folder.remove(name)
    gateway.eventually("many9999.example", status=404, timeout=30)


def test_a_folder_that_vanishes_withdraws_nothing(services: Services, tmp_path: Path) -> None:
    """It is more likely a mistake than a wish; when it comes back, it is followed again."""
    folder = tmp_path / "manifests"
    with Gateway([*services.make("web"), app(services, "kept.example")], folder=folder) as gateway:
        assert gateway.get("kept.example").status == 200
        folder.rename(tmp_path / "elsewhere")
        assert gateway.get("kept.example").status == 200
        assert gateway.process is not None
        assert gateway.process.poll() is None
