"""A file cut into documents, and how each is written: encodings, markers, directives, Lists, JSON."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sources.following import service
from tidegate.sources import _reading, _splitting, read_folder
from tidegate.sources._reading import Document, Known


def documents(text: str | bytes, ending: str = ".yaml") -> list[Document]:
    data = text.encode() if isinstance(text, str) else text
    return [d for d in _reading.read(f"f{ending}", data, ()) if isinstance(d, Document)]


def names(text: str | bytes, ending: str = ".yaml") -> list[str]:
    found = documents(text, ending)
    assert [f for d in found for f in d.findings] == []
    return [i.ref.name for d in found for i in d.items]


TWO = service("a") + "---\n" + service("b")


@pytest.mark.parametrize(
    "text",
    [
        TWO,
        "---\n" + TWO + "---\n",
        "# first\n\n---\n# second\n" + TWO + "---\n# last\n---\n---\n",
        TWO.replace("---\n", "--- # a comment\n"),
        TWO.replace("---\n", "---\t\n"),
        TWO.replace("\n", "\r\n"),
        "\ufeff" + TWO,
        TWO.replace("---\n", "...\n---\n") + "...\n",
        "%YAML 1.1\n---\n" + TWO,
        "%YAML 1.1\n---\n" + TWO.replace("---\n", "...\n%YAML 1.1\n---\n"),
        TWO.replace("---\n", "---\nnull\n---\n"),
        TWO.removesuffix("\n"),
        TWO.replace("name: a", "name: 'a'   # quoted"),
        TWO.replace("name: a", "name:\n    a"),
        TWO.replace("spec:", "x: |\n  ---\n  text\n   ---\nspec:"),
    ],
)
def test_documents_are_found_however_they_are_marked(text: str) -> None:
    assert names(text) == ["a", "b"]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF8, "utf-8")],
)
def test_a_byte_order_mark_tells_the_encoding(mark: bytes, encoding: str) -> None:
    assert names(mark + f"# ü\n{TWO}".encode(encoding)) == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["", "\n", "---", "---\n", "--- \n...\n", "# only a comment", "\ufeff", "null\n", "~\n"]
)
def test_nothing_is_nothing(text: str) -> None:
    assert documents(text) == []


def test_empty_json_is_nothing() -> None:
    assert documents(" \n", ".json") == []


def test_json_may_stand_in_a_yaml_file() -> None:
    """Also with tabs, and beside YAML."""
    as_json = json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "b"}}, indent="\t")
    assert names(as_json) == ["b"]
    assert names(service("a") + "---\n" + as_json + "\n") == ["a", "b"]
    assert names(as_json, ".json") == ["b"]
    assert names("\ufeff" + as_json, ".json") == ["b"]


def test_numbers_and_escapes_in_json_are_not_taken_for_duplicates() -> None:
    text = '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "\\u0062"}, "x": [1e3, 1.0, "\\/"]}'
    assert names(text, ".json") == ["b"]


def test_lists_of_any_kind_are_opened() -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        + "".join("- " + service(n).replace("\n", "\n  ").removesuffix("  ") for n in "ab")
        + "---\napiVersion: v1\nkind: ServiceList\nitems:\n- metadata: {name: c}\n- {kind: Service, metadata: {name: d}}\n"
        + "---\napiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {name: e}\n"
        + "---\napiVersion: v1\nkind: List\nitems:\n"
        + "---\napiVersion: v1\nkind: List\n"
    )
    found = documents(text)
    assert [i.ref.name for d in found for i in d.items] == ["a", "b", "c", "d"]
    assert [k for d in found for k in d.ignored] == ["Deployment"]


def test_faults_of_list_items_have_their_own_lines() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n"
    text += "- apiVersion: v1\n  kind: Service\n  metadata:\n    name: b\n    labels:\n      x: 5\n"
    (document,) = documents(text)
    assert [(f.object, f.line) for f in document.findings] == [("Service default/b", 12)]
    assert [(i.ref.name, i.obj is None, i.index) for i in document.items] == [("a", False, 0), ("b", True, 1)]


def test_known_documents_are_not_read_again() -> None:
    digests = {d.digest for d in documents(TWO)}
    moved = "# new\n---\n" + TWO.replace("port: 80\n", "port: 81\n", 1)
    found = list(_reading.read("f.yaml", moved.encode(), digests))
    assert [type(d) for d in found] == [Document, Known]
    assert [d.line for d in found] == [3, 12]


@given(
    st.lists(
        st.sampled_from(["---\n", "--- \n", "----\n", "---x\n", " ---\n", "a\n", "\n", "# ---\n", "---"]),
        max_size=8,
    )
)
def test_pieces_are_the_whole_text_and_begin_at_markers(parts: list[str]) -> None:
    """Each at the line that is told with it."""
    text = "".join(parts).encode()
    pieces = list(_splitting.split(text))
    assert b"".join(piece for _, piece in pieces) == text
    lines = text.split(b"\n")
    for number, (line, piece) in enumerate(pieces):
        assert lines[line - 1] == piece.split(b"\n")[0]
        if number:
            assert piece.startswith(b"---")
            assert piece[3:4] in {b"", b" ", b"\n", b"\t"}
        inner = piece.split(b"\n")[1:]
        assert not any(x == b"---" or x.startswith((b"--- ", b"---\t")) for x in inner)


def test_a_folder_is_read_once_without_watching(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TWO)
    batch = read_folder(tmp_path)
    assert batch.initial
    assert [str(c.where) for c in batch.changes] == [f"{tmp_path}/a.yaml:1", f"{tmp_path}/a.yaml:10"]
    with pytest.raises(NotADirectoryError):
        read_folder(tmp_path / "none")
