"""Label selectors, as Kubernetes takes them on command lines."""

from __future__ import annotations

import pytest

from tidegate.kube.selectors import Selector

LABELS = {"env": "prod", "tier": "web", "example.com/team": "a", "gated": ""}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", True),
        ("env=prod", True),
        ("env==prod", True),
        ("env = prod , tier=web", True),
        ("env=test", False),
        ("env!=test", True),
        ("env!=prod", False),
        ("missing!=x", True),
        ("missing=x", False),
        ("env in (test, prod)", True),
        ("env in (test)", False),
        ("env notin (test)", True),
        ("env notin (prod,test)", False),
        ("missing notin (x)", True),
        ("gated", True),
        ("gated=", True),
        ("missing", False),
        ("!missing", True),
        ("!env", False),
        ("example.com/team=a,!legacy,env in (prod)", True),
    ],
)
def test_all_requirements_must_hold(text: str, selected: bool) -> None:  # noqa: FBT001
    """Equality, sets, existence."""
    assert Selector.parse(text).matches(LABELS) is selected


@pytest.mark.parametrize(
    "text", ["=x", "a=b=c", "a in", "a in (", "a in (x", "a in (-x-)", "!", "a b", "a>1", "a=;"]
)
def test_anything_else_is_no_selector(text: str) -> None:
    """Rather than one that selects too much."""
    with pytest.raises(ValueError, match="not"):
        Selector.parse(text)
