"""Paths of rules."""

from __future__ import annotations

import pytest

from tidegate.guard import paths


@pytest.mark.parametrize("path", ["/", "/a", "/a b", "/ä", "/(.*)", "/a%20b", "/" + "a" * 4095])
def test_paths(path: str) -> None:
    """A path starts with a slash; a pattern or a plain path is decided elsewhere."""
    assert paths.fault(path) == ""


@pytest.mark.parametrize(
    "path", ["", "a", "/a\n", "/a\rb", "/a\x00", "/a\x1b[0m", "/\u2028", "/\ud800", "/" + "a" * 4096, "*"]
)
def test_no_paths(path: str) -> None:
    """Control characters, overlong paths and relative ones are refused."""
    assert paths.fault(path)


@pytest.mark.parametrize(
    ("path", "strict", "good"),
    [
        ("/a/b-c_d.e", True, True),
        ("/a(b)", True, False),
        ("/a(b)", False, True),
        ("/a b", True, False),
        ("/ä", True, False),
        ("/a//b", False, False),
        ("/a/./b", False, False),
        ("/a/../b", False, False),
        ("/a/..", False, False),
        ("/a/.", False, False),
        ("/a%2fb", False, False),
        ("/a/..b", False, True),
        ("/.well-known/x", True, True),
        ("/a\n", True, False),
    ],
)
def test_plain_paths(path: str, strict: bool, good: bool) -> None:  # noqa: FBT001
    """Exact and Prefix paths are those that a normalized request can have; strictly, only a few characters."""
    assert (paths.plain_fault(path, strict=strict) == "") is good


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("/x alias /etc/; y", True),
        ("/root /x;", True),
        ("/etc/passwd", True),
        ("/etc/nginx/nginx.conf", True),
        ("/var/run/secrets/kubernetes.io", True),
        ("content_by_lua_block", True),
        ("/alias/x", False),
        ("/etc/hostname", False),
        ("/roots", False),
    ],
)
def test_deep_inspection(text: str, looks: bool) -> None:  # noqa: FBT001
    """Texts that would reach files of the gateway are told (flag --deep-inspect)."""
    assert paths.looks_inside(text) is looks
