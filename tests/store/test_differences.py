"""Differences between two versions of an object, as paths of fields."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.kube.objects import Ingress, Metadata, Secret
from tidegate.store import LIMIT, differences, shared_ends


def ingress(*paths: str, **metadata: Any) -> Ingress:
    items = [
        {"path": path, "backend": {"service": {"name": "web", "port": {"number": 80}}}} for path in paths
    ]
    fields = {
        "metadata": {"name": "web", **metadata},
        "spec": {"rules": [{"host": "h", "http": {"paths": items}}]},
    }
    return msgspec.convert(fields, Ingress)


@pytest.mark.parametrize(
    ("before", "after", "fields"),
    [
        (ingress("/a"), ingress("/a"), ()),
        (ingress("/a"), ingress("/b"), ("spec.rules[0].http.paths[0].path",)),
        (ingress("/a", "/b", "/c"), ingress("/a", "/x", "/c"), ("spec.rules[0].http.paths[1].path",)),
        (ingress("/a", "/c"), ingress("/a", "/b", "/c"), ("spec.rules[0].http.paths[1]",)),
        (ingress("/a", "/b", "/c"), ingress("/a", "/c"), ("spec.rules[0].http.paths[1]",)),
        (ingress("/a"), ingress("/a", annotations={"x": "1"}), ("metadata.annotations",)),
        (
            ingress("/a", annotations={"x": "1", "y": "2"}),
            ingress("/a", annotations={"x": "1", "y": "3", "z": "4"}),
            ("metadata.annotations[y]", "metadata.annotations[z]"),
        ),
        (
            ingress("/a", generation=1, resourceVersion="1"),
            ingress("/a", generation=2, resourceVersion="2"),
            (),
        ),
        (ingress("/a"), msgspec.convert({"metadata": {"name": "web"}}, Ingress), ("spec",)),
    ],
)
def test_fields(before: Ingress, after: Ingress, fields: tuple[str, ...]) -> None:
    """What differs is named by its path in the manifest; bookkeeping of the API server is left out."""
    assert differences(before, after) == fields


def test_a_thorough_change_names_a_few_fields() -> None:
    """The first ones, so that naming them costs little."""
    before, after = ingress(*(f"/a{n}" for n in range(100))), ingress(*(f"/b{n}" for n in range(100)))
    assert len(differences(before, after)) == LIMIT


def test_secrets_are_named_not_shown() -> None:
    """Only the key of a Secret's data is told."""
    before, after = (Secret(Metadata("s"), data={"tls.key": value}) for value in (b"hush", b"quiet"))
    assert differences(before, after) == ("data[tls.key]",)


@given(st.lists(st.integers(0, 2), max_size=6), st.lists(st.integers(0, 2), max_size=6))
def test_shared_ends(before: list[int], after: list[int]) -> None:
    """The ends are equal, do not overlap, and could not be longer."""
    start, end = shared_ends(tuple(before), tuple(after))
    assert before[:start] == after[:start]
    assert before[len(before) - end :] == after[len(after) - end :]
    shorter = min(len(before), len(after))
    assert start + end <= shorter
    assert start == shorter or before[start] != after[start]
    assert start + end == shorter or before[-1 - end] != after[-1 - end]
