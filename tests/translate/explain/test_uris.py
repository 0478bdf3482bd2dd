"""The request target is read as nginx reads it."""

import pytest

from tidegate.translate.explain import BadUri, Uri, normalize


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/a/../b", "/b", ""),
        ("/a/./b/", "/a/b/", ""),
        ("//a///b", "/a/b", ""),
        ("/a/..", "/", ""),
        ("/a/.", "/a/", ""),
        ("/a%2Fb", "/a/b", ""),
        ("/a/%2e%2E/b", "/b", ""),
        ("/a%23b?x#y", "/a#b", "x"),
        ("/a%3fb?c%3fd", "/a?b", "c%3fd"),
        ("/a/...", "/a/...", ""),
        ("/a/.b/..c", "/a/.b/..c", ""),
        ("/a#b?c", "/a", ""),
        ("/a+b%2B", "/a+b+", ""),
        ("/%25%32%35", "/%25", ""),
        ("/a/?", "/a/", ""),
    ],
)
def test_a_target_is_decoded_and_its_dots_resolved(target: str, path: str, query: str) -> None:
    assert normalize(target) == Uri(path, query)


@pytest.mark.parametrize(
    "target", ["", "a", "/..", "/a/../..", "/%2e%2e/x", "/%", "/%4", "/%zz", "/%00", "/a b", "/\x01"]
)
def test_a_target_that_nginx_answers_with_400_is_refused(target: str) -> None:
    with pytest.raises(BadUri):
        normalize(target)
