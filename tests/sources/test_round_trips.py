"""Random objects, written as YAML or JSON, come out of the source as they were."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.kube.decoding import decode_plain
from tidegate.kube.objects import API_VERSIONS, KINDS
from tidegate.sources import _scalars, read_folder

NAME = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co")) | st.sampled_from("\n\t:#'\"-"),
    max_size=12,
) | st.sampled_from(["yes", "on", "8", "null", "0777", "- a", "a: b", "|", "&a", "*", "1e3", "2026-01-01"])
INT = st.integers(-(2**31), 2**31 - 1)
MAP = st.dictionaries(TEXT, TEXT, max_size=3)


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Give mappings in which each field may be absent or null."""
    return st.fixed_dictionaries({}, optional={k: v | st.none() for k, v in fields.items()})


def some(each: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(each, max_size=3)


META = maybe(namespace=NAME, annotations=MAP, labels=MAP, uid=TEXT, creationTimestamp=TEXT, generation=INT)
PORT = maybe(name=TEXT, port=INT, protocol=TEXT)
BACKEND = maybe(
    service=st.builds(lambda n, p: {"name": n, **p}, TEXT, maybe(port=maybe(name=TEXT, number=INT))),
    resource=st.fixed_dictionaries({"kind": TEXT, "name": TEXT}),
)
PATH = st.builds(lambda b, r: {"backend": b, **r}, BACKEND, maybe(path=TEXT, pathType=TEXT))
SPECS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "Ingress": maybe(
        spec=maybe(
            ingressClassName=TEXT,
            defaultBackend=BACKEND,
            rules=some(maybe(host=TEXT, http=maybe(paths=some(PATH)))),
            tls=some(maybe(hosts=some(TEXT), secretName=TEXT)),
        )
    ),
    "Service": maybe(
        spec=maybe(
            type=TEXT,
            clusterIP=TEXT,
            externalName=TEXT,
            ports=some(
                st.builds(lambda p, r: {"port": p, **r}, INT, maybe(name=TEXT, targetPort=INT | TEXT))
            ),
        )
    ),
    "EndpointSlice": maybe(
        addressType=TEXT,
        ports=some(PORT),
        endpoints=some(
            maybe(
                addresses=some(TEXT),
                conditions=maybe(ready=st.booleans(), serving=st.booleans(), terminating=st.booleans()),
                hints=maybe(forZones=some(st.fixed_dictionaries({"name": TEXT}))),
            )
        ),
    ),
    "Endpoints": maybe(
        subsets=some(maybe(addresses=some(st.fixed_dictionaries({"ip": TEXT})), ports=some(PORT)))
    ),
    "Secret": maybe(
        type=TEXT,
        data=st.dictionaries(
            TEXT, st.binary(max_size=9).map(lambda b: base64.b64encode(b).decode()), max_size=3
        ),
        stringData=MAP,
    ),
    "ConfigMap": maybe(data=MAP),
    "IngressClass": maybe(spec=maybe(controller=TEXT)),
    "Namespace": st.just({}),
}


@st.composite
def objects(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Give objects of any kind with different names."""
    found = []
    for number, kind in enumerate(draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))):
        metadata = {"name": f"{draw(NAME)}-{number}", **draw(META)}
        found.append(
            {"apiVersion": API_VERSIONS[kind], "kind": kind, "metadata": metadata, **draw(SPECS[kind])}
        )
    return found


class _Dumper(yaml.SafeDumper):
    """Quotes also what only kubectl takes for something other than text."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    try:
        plain = _scalars.resolve(text) == text
    except _scalars.NotOfTag:
        plain = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else "'")


_Dumper.add_representer(str, _text)


@settings(deadline=None)
@given(
    written=objects(),
    form=st.sampled_from(["documents", "files", "list", "json"]),
    flow=st.sampled_from([None, True, False]),
)
def test_what_is_written_is_what_is_read(
    *, written: list[dict[str, Any]], form: str, flow: bool | None
) -> None:
    """In one file or several, as a List, as JSON; in every style of YAML."""
    expected = [decode_plain(plain).obj for plain in written]
    assert None not in expected
    with tempfile.TemporaryDirectory() as name:
        for file, text in texts(written, form, flow=flow).items():
            (Path(name) / file).write_text(text)
        batch = read_folder(Path(name))
    assert not any(batch.findings_by_file.values())
    assert {c.ref: c.obj for c in batch.changes} == {obj.ref: obj for obj in expected if obj is not None}
    for obj in expected:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(obj), type=type(obj)) == obj


def texts(written: list[dict[str, Any]], form: str, *, flow: bool | None) -> dict[str, str]:
    whole = {"apiVersion": "v1", "kind": "List", "items": written}
    if form == "json":
        return {"a.json": json.dumps(whole)}
    if form == "list":
        return {"a.yaml": dump(whole, flow=flow)}
    if form == "files":
        return {f"{i}.yml": dump(plain, flow=flow) for i, plain in enumerate(written)}
    return {"a.yaml": "---\n".join(dump(plain, flow=flow) for plain in written)}


def dump(plain: Any, *, flow: bool | None) -> str:
    return yaml.dump(plain, Dumper=_Dumper, default_flow_style=flow, allow_unicode=True, sort_keys=False)
