"""`check` and `explain` judge a folder without a gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

GOOD = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  namespace: default
  annotations:
    nginx.ingress.kubernetes.io/proxy-read-timeout: "7"
spec:
  rules:
    - host: shop.test
      http:
        paths:
          - path: /cart
            pathType: Prefix
            backend: {service: {name: shop, port: {number: 80}}}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default}
spec: {ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-1, namespace: default, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.7]}]
ports: [{port: 8080}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.yaml").write_text(GOOD)
    return tmp_path


def test_a_good_folder_is_fine(run: Run, folder: Path) -> None:
    done = run("check", str(folder))
    assert done.code == 0, done.out
    assert "3 objects read" in done.out


def test_what_is_ignored_is_named_with_its_line_field_value_and_remedy(run: Run, folder: Path) -> None:
    (folder / "shop.yaml").write_text(GOOD.replace('"7"', '"soon"'))
    done = run("check", str(folder), "--output", "json")
    assert done.code == 1
    (finding,) = json.loads(done.out)["findings"]
    assert finding["file"].endswith("shop.yaml")
    assert finding["line"] == 7
    assert "proxy-read-timeout" in finding["field"]
    assert finding["value"] == "soon"
    assert finding["accepted"]


def test_a_file_that_is_not_yaml_is_named(run: Run, folder: Path) -> None:
    (folder / "bad.yaml").write_text("{{{")
    done = run("check", str(folder))
    assert done.code == 1
    assert "bad.yaml:1" in done.out


def test_a_folder_that_is_not_there_is_wrong_use(run: Run, tmp_path: Path) -> None:
    done = run("check", str(tmp_path / "missing"))
    assert done.code == 2
    assert "missing" in done.err


def test_explain_says_which_rule_backend_and_settings(run: Run, folder: Path) -> None:
    done = run("explain", "GET", "http://shop.test/cart/1?x=y", "--manifests", str(folder))
    assert done.code == 0
    for text in (
        "default/shop",
        "Prefix /cart",
        "10.0.0.7:8080",
        "/cart/1?x=y",
        "read_timeout",
        "annotation",
    ):
        assert text in done.out, text


def test_explain_tells_programs_the_same(run: Run, folder: Path) -> None:
    done = run(
        "explain", "get", "shop.test/other", "--manifests", str(folder), "--output", "json", "-H", "A: b"
    )
    told = json.loads(done.out)
    assert told["request"]["headers"] == {"a": "b"}
    assert told["decision"]["status"] == 404
    assert any("/cart" in step["said"] for step in told["decision"]["trail"]) or told["decision"]["trail"]


@pytest.mark.parametrize(
    "words",
    [
        ["GET", "ftp://x/"],
        ["GET", "/path-only"],
        ["G T", "x.test/"],
        ["GET", "x.test/", "-H", "no colon"],
        ["GET", "x.test/", "--remote-address", "here"],
    ],
)
def test_a_request_that_makes_no_sense_is_wrong_use(run: Run, folder: Path, words: list[str]) -> None:
    done = run("explain", *words, "--manifests", str(folder))
    assert done.code == 2
    assert done.err


def test_without_a_gateway_questions_to_one_fail(run: Run, tmp_path: Path) -> None:
    for words in (
        ["routes"],
        ["backends"],
        ["certs"],
        ["findings"],
        ["info"],
        ["stop"],
        ["explain", "GET", "x/"],
    ):
        done = run(*words, "--state-dir", str(tmp_path))
        assert done.code == 3, words
        assert str(tmp_path) in done.err
