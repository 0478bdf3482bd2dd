"""Objects become typed resources, or findings that say what to write."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.findings import Effect, Finding
from tidegate.kube.decoding import Decoded, decode_json, decode_plain
from tidegate.kube.objects import API_VERSIONS, KINDS, Ingress, Ref, Secret, Service

META = {"name": "x"}


def ingress(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": META, **fields}


def service(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": META, **fields}


def secret(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": META, **fields}


def both(plain: Any) -> Decoded:
    """Decode in both ways, which must give the same."""
    found = decode_plain(plain)
    assert decode_json(msgspec.json.encode(plain)) == found
    return found


def fault(plain: Any) -> Finding:
    found = both(plain)
    assert found.obj is None
    (finding,) = found.findings
    assert finding.effect is Effect.REFUSED
    return finding


def test_an_object_is_typed_and_gets_its_namespace() -> None:
    found = both(service(spec={"ports": [{"port": 80, "targetPort": "http"}], "unknown": {"field": 1}}))
    assert isinstance(found.obj, Service)
    assert found.obj.ref == found.ref == Ref("Service", "default", "x")
    assert found.obj.spec is not None
    assert found.obj.spec.ports is not None
    assert found.obj.spec.ports[0].target_port == "http"


def test_a_kind_without_namespace_has_none() -> None:
    """One that is given is dropped."""
    plain = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "namespace": "m"}}
    assert both(plain).ref == Ref("Namespace", "", "n")


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("Deployment", "apps/v1"),
        ("Service", "serving.knative.dev/v1"),
        ("Ingress", "config.openshift.io/v1"),
        ("Kustomization", "kustomize.config.k8s.io/v1beta1"),
    ],
)
def test_other_kinds_are_ignored(kind: str, version: str) -> None:
    """Whatever they hold; also kinds of the same name in another group."""
    found = both({"apiVersion": version, "kind": kind, "metadata": 5})
    assert found.ignored
    assert found.kind == kind


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("Ingress", "extensions/v1beta1"),
        ("Ingress", "networking.k8s.io/v1beta1"),
        ("EndpointSlice", "discovery.k8s.io/v1beta1"),
        ("Service", "v1beta3"),
    ],
)
def test_another_version_is_told_which_to_write(kind: str, version: str) -> None:
    found = both({"apiVersion": version, "kind": kind, "metadata": META})
    (finding,) = found.findings
    assert (finding.type, finding.field, finding.value) == ("WrongVersion", "apiVersion", version)
    assert finding.accepted == API_VERSIONS[kind]
    assert found.ref == Ref(kind, "default", "x")


@pytest.mark.parametrize("kind", KINDS)
def test_the_least_object_of_each_kind_is_read(kind: str) -> None:
    assert isinstance(
        both({"apiVersion": API_VERSIONS[kind], "kind": kind, "metadata": META}).obj, KINDS[kind]
    )


def test_every_value_that_should_be_quoted_is_named() -> None:
    """Not only the first, and each with its key."""
    annotations = {"a.b/c": True, "d[e]": 8, "f": None, "g": 1.5, "fine": "x"}
    found = both(ingress(metadata={"name": "x", "annotations": annotations}))
    assert [(f.type, f.field, f.value, f.accepted) for f in found.findings] == [
        ("NotQuoted", "metadata.annotations[a.b/c]", "true", 'a string: quote it, "true"'),
        ("NotQuoted", "metadata.annotations[d[e]]", "8", 'a string: quote it, "8"'),
        ("NotQuoted", "metadata.annotations[f]", "null", 'a string; quote it: "" for an empty one'),
        ("NotQuoted", "metadata.annotations[g]", "1.5", 'a string: quote it, "1.5"'),
    ]
    assert {f.object for f in found.findings} == {"Ingress default/x"}


PATHS = {
    "http": {"paths": [{"backend": {}}, {"backend": {"service": {"name": "s", "port": {"number": "80"}}}}]}
}


@pytest.mark.parametrize(
    ("plain", "type_", "field", "value", "accepted"),
    [
        (
            ingress(spec={"rules": [PATHS]}),
            "WrongType",
            "spec.rules[0].http.paths[1].backend.service.port.number",
            "80",
            "a whole number",
        ),
        (ingress(spec={"rules": {"host": "x"}}), "WrongType", "spec.rules", '{"host":"x"}', "a list"),
        (ingress(spec=[]), "WrongType", "spec", "[]", "a mapping"),
        (ingress(spec={"rules": [None]}), "WrongType", "spec.rules[0]", "null", "a mapping"),
        (
            ingress(spec={"rules": [{"host": 5}]}),
            "NotQuoted",
            "spec.rules[0].host",
            "5",
            'a string: quote it, "5"',
        ),
        (
            ingress(spec={"tls": [{"hosts": ["a", True]}]}),
            "NotQuoted",
            "spec.tls[0].hosts[1]",
            "true",
            'a string: quote it, "true"',
        ),
        (
            ingress(spec={"rules": [{"http": {"paths": [{}]}}]}),
            "MissingField",
            "spec.rules[0].http.paths[0].backend",
            "",
            "this field must be given",
        ),
        (
            service(spec={"ports": [{"port": 2**31}]}),
            "OutOfRange",
            "spec.ports[0].port",
            "2147483648",
            "a whole number <= 2147483647",
        ),
        (
            service(spec={"ports": [{"port": 80, "targetPort": True}]}),
            "NotQuoted",
            "spec.ports[0].targetPort",
            "true",
            'a string: quote it, "true"',
        ),
        (
            service(spec={"ports": [{"port": 80, "targetPort": []}]}),
            "WrongType",
            "spec.ports[0].targetPort",
            "[]",
            "a whole number or a string",
        ),
        (service(metadata={}), "MissingField", "metadata.name", "", "this field must be given"),
        (service(metadata=[]), "WrongType", "metadata", "[]", "a mapping"),
        (service(metadata={"name": "x", "labels": []}), "WrongType", "metadata.labels", "[]", "a mapping"),
    ],
)
def test_a_wrong_type_is_told_with_its_path(
    plain: Any, type_: str, field: str, value: str, accepted: str
) -> None:
    finding = fault(plain)
    assert (finding.type, finding.field, finding.value, finding.accepted) == (type_, field, value, accepted)


@pytest.mark.parametrize("plain", [None, 5, "x", [], [{}]])
def test_what_is_no_mapping_is_no_object(plain: Any) -> None:
    assert decode_plain(plain).findings[0].type == "NotAnObject"
    assert decode_json(msgspec.json.encode(plain)).findings[0].type == "NotAnObject"


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"kind":"\xff"}', b'{"a":' * 100_000, b"{}x"])
def test_what_is_no_json_is_told(data: bytes) -> None:
    assert decode_json(data).findings[0].type == "NotJson"


@pytest.mark.parametrize(
    ("kind", "name", "valid"),
    [
        ("Ingress", "a.b-c.d", True),
        ("Ingress", "a" * 253, True),
        ("Ingress", "a" * 254, False),
        ("Ingress", "a..b", False),
        ("Ingress", "-a", False),
        ("Ingress", "a-", False),
        ("Ingress", "A", False),
        ("Ingress", "a_b", False),
        ("Ingress", "a/b", False),
        ("Ingress", "a\n", False),
        ("Ingress", "", False),
        ("Ingress", "ü", False),
        ("Ingress", "a b", False),
        ("Ingress", ".", False),
        ("Service", "a" * 63, True),
        ("Service", "a" * 64, False),
        ("Service", "a.b", False),
        ("Service", "1a", True),
        ("Namespace", "a.b", False),
        ("Secret", "..", False),
    ],
)
def test_names_are_those_that_the_api_server_admits(kind: str, name: str, *, valid: bool) -> None:
    found = both({"apiVersion": API_VERSIONS[kind], "kind": kind, "metadata": {"name": name}})
    assert (found.obj is not None) is valid
    if not valid:
        assert found.findings[0].field == "metadata.name"
        assert found.ref is None


def test_a_namespace_is_a_label() -> None:
    finding = fault(service(metadata={"name": "x", "namespace": "a.b"}))
    assert (finding.type, finding.field, finding.value) == ("InvalidName", "metadata.namespace", "a.b")
    assert both(service(metadata={"name": "x", "namespace": ""})).ref == Ref("Service", "default", "x")


def test_string_data_wins_over_data() -> None:
    obj = both(secret(data={"a": "MQ==", "b": "Mg=="}, stringData={"b": "3", "c": "ü"})).obj
    assert isinstance(obj, Secret)
    assert obj.data == {"a": b"1", "b": b"3", "c": "ü".encode()}
    assert obj.string_data is None


def test_base64_may_be_wrapped() -> None:
    obj = both(secret(data={"a": "aGVs\nbG8=\n"})).obj
    assert isinstance(obj, Secret)
    assert obj.data == {"a": b"hello"}


@pytest.mark.parametrize(
    "fields",
    [
        {"data": {"k": "hunter2!"}},
        {"data": {"k": ["hunter2"]}},
        {"stringData": {"k": ["hunter2"]}},
        {"data": {"k": "aGk=", "l": "hunter2=="}},
    ],
)
def test_the_values_of_a_secret_are_never_told(fields: Any) -> None:
    found = both(secret(**fields))
    assert found.findings
    assert "hunter2" not in str(found)


def test_a_value_is_cut() -> None:
    finding = fault(ingress(spec={"rules": "x" * 2**20}))
    assert len(finding.value) == 200


def test_annotations_have_a_limit() -> None:
    assert both(ingress(metadata={"name": "x", "annotations": {"a": "x" * 2**17}})).obj is not None
    assert fault(ingress(metadata={"name": "x", "annotations": {"a": "x" * 2**18}})).type == "TooLarge"


def test_items_of_a_typed_list_take_the_lists_kind() -> None:
    found = decode_json(b'{"metadata":{"name":"x"}}', "Ingress", "networking.k8s.io/v1")
    assert isinstance(found.obj, Ingress)
    assert decode_plain({"metadata": META}, "Ingress", "networking.k8s.io/v1") == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "port", "a"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def paths_of(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Give the path of every value inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(p for k, v in inner for p in paths_of(v, (*here, k)))]


WHOLE = ingress(
    metadata={
        "name": "x",
        "namespace": "n",
        "annotations": {"a": "b"},
        "labels": {"a": "b"},
        "generation": 1,
    },
    spec={
        "ingressClassName": "c",
        "defaultBackend": {
            "service": {"name": "s", "port": {"number": 80, "name": "n"}},
            "resource": {"kind": "k", "name": "n"},
        },
        "rules": [
            {
                "host": "h",
                "http": {
                    "paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s"}}}]
                },
            }
        ],
        "tls": [{"hosts": ["h"], "secretName": "s"}],
    },
)


@given(st.sampled_from(paths_of(WHOLE)), JSON)
def test_any_field_may_hold_anything(path: tuple[Any, ...], value: Any) -> None:
    """It is read, or refused with a finding that names a field at or above that place; nothing is raised."""
    plain = msgspec.json.decode(msgspec.json.encode(WHOLE))
    if not path:
        plain = value
    else:
        here = plain
        for step in path[:-1]:
            here = here[step]
        here[path[-1]] = value
    found = decode_plain(plain)
    assert (found.obj is None) is bool(found.findings) or found.ignored
    for finding in found.findings:
        assert finding.type in {
            "WrongType",
            "NotQuoted",
            "MissingField",
            "InvalidName",
            "OutOfRange",
            "NotAnObject",
            "WrongVersion",
        }
        if path and finding.type != "NotAnObject":
            first = str(path[0])
            assert finding.field.startswith(first) or first in {"kind", "apiVersion"}
