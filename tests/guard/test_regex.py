"""Regular expressions: compiled by PCRE2 as nginx does it, and refused where matching could explode (fault C7)."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tidegate.guard import Unacceptable, _pcre2, regex

USUAL = [
    "/", "/foo", "/foo(/|$)(.*)", "/api/v[0-9]+/.*", "/(?<lang>en|de)/(.*)", "/(v[0-9]+/)?(.*)", "/[^/]+/static/?", "/a.b",
    "/(foo|bar)/?$", "/([a-z]+/)*", "/([^/]+/)+x", "/[[:alpha:]]+", r"/\d{4}-\d{2}", r"/x\.(js|css)$", "(?i)/foo",
    "/(?!admin)[a-z]+", "/a{2,3}", "/a++b", "/(?:a|b)+c", "/[]a]+", r"/[\w-]+", "/foo(?=/)", "/{id}", "/ä(.*)",
]  # fmt: skip

EXPLOSIVE = [
    "(a+)+$", "(a*)*", "(a|a)*", "(a|ab)*c", "(.*/)*", "([a-z]+)*", "(x+x+)+y", "(x+x+y)+", "(a?){50}", "/(a*a*/)*",
    "(?:(?:a+)+)+", "((a+))*", "(a+b?)*", "([A-Z]+a)*", "(a|b|[ab])+", "(x(a|ab)b?)*", "a**", "(?:.+)+", "((a|b)*c?)*",
    "(.{1,9})*x",
]  # fmt: skip

STRANGE = [
    "(?R)", r"/\1", r"(a)\g{1}", "(?(1)a|b)", "(?C1)", "(*UTF)a", "(*LIMIT_MATCH=9)a", r"\C", r"\Qa\E", r"\p{L}", r"\K",
    "(?#x)a", "(?x) a", "(?P=a)", "(?&a)", "(?|(a)|(b))",
]  # fmt: skip

BROKEN = [
    "/(",
    "/)",
    "/[",
    "/[a",
    "/a(b",
    "\\",
    "/a{3,2}",
    "/[z-a]",
    "/[[:what:]]",
    "/(?<a",
    "*",
    "+a",
    "(?<n>a)(?<n>b)",
]


@pytest.mark.parametrize("text", USUAL)
def test_usual_patterns_pass(text: str) -> None:
    """What paths need is accepted."""
    assert regex.fault(text) == ""


@pytest.mark.parametrize(
    "text", [*EXPLOSIVE, *STRANGE, *BROKEN, "/" + "a" * 512, "/" + "(a)" * 21, "(" * 20 + ")" * 20, "\ud800"]
)
def test_what_is_refused(text: str) -> None:
    """Repetitions that can explode, constructions beyond need, broken and overlong patterns are refused with a reason."""
    assert regex.fault(text)


@pytest.mark.parametrize(
    ("pattern", "path", "captures"),
    [
        ("/foo(/|$)(.*)", "/foo/bar", ("/", "bar")),
        ("/foo(/|$)(.*)", "/foo", ("", "")),
        ("/foo(/|$)(.*)", "/FOO/Bar", ("/", "Bar")),
        ("/foo(/|$)(.*)", "/foobar", None),
        ("/foo", "/foobar", ()),
        ("/foo", "/x/foo", None),
        ("/a.b", "/axb", ()),
        ("/(a)?(b)", "/b", ("", "b")),
        ("/ä(.)", "/äx", ("x",)),
    ],
)
def test_matching(pattern: str, path: str, captures: tuple[str, ...] | None) -> None:
    """Without regard to case, from the start of the path and not to its end (reference g.2)."""
    assert regex.Pattern(pattern).match(path) == captures


def test_matching_may_be_anywhere_and_exact() -> None:
    """As for values of headers."""
    pattern = regex.Pattern("b+", ignore_case=False, anchored=False)
    assert pattern.match("abba") == ()
    assert pattern.match("ABBA") is None


def test_a_costly_match_ends() -> None:
    """A pattern that is slow all the same stops at the limit and counts as no match."""
    pattern = regex.Pattern("(?:.*)(?:.*)(?:.*)(?:.*)(?:.*)x")
    assert pattern.match("/" + "a" * 65536) is None


@given(st.text(min_size=1, max_size=40))
def test_a_literal_matches_just_itself(text: str) -> None:
    """Escaping takes every meaning away."""
    path = "/" + text
    pattern = regex.literal(path)
    if regex.fault(pattern):
        return
    assert regex.Pattern(pattern, ignore_case=False).match(path) == ()
    assert regex.Pattern(pattern, ignore_case=False).match("/x" + text + "y") != () or "/x".startswith(path)


@given(st.text(max_size=30) | st.text("/ab.*+?()[]{}|^$\\-:<>=!,0123456789iPR#&", max_size=30))
@example("[\\")
@example("(?")
@example("a{,}")
def test_any_text_is_accepted_or_refused(text: str) -> None:
    """No text does anything else, and what is accepted compiles and matches."""
    try:
        pattern = regex.Pattern(text)
    except Unacceptable:
        return
    pattern.match("/aaaa/bbbb")


_PLAINLY = _pcre2.CASELESS | _pcre2.ANCHORED | 0x00010000
"""As nginx matches, but without the library's shortcut for texts that lack a needed character."""


def _steps(code: _pcre2.Code, subject: bytes) -> int:
    """Find out how many steps a match takes, to the next power of two."""
    limit = 1
    while _exceeds(code, subject, limit):
        limit *= 2
    return limit


def _exceeds(code: _pcre2.Code, subject: bytes, limit: int) -> bool:
    try:
        code.match(subject, limit)
    except _pcre2.TooCostly:
        return True
    return False


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.sampled_from(["a", "b", "[ab]", "/", ".", "a?", "[ab]*"]),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map("(?:{0[0]}|{0[1]})".format),
            st.tuples(inner, st.sampled_from(["*", "+", "?", "{0,20}"])).map("(?:{0[0]}){0[1]}".format),
        ),
        max_leaves=5,
    )
)
@example("(?:[ab]*/)*")
def test_no_accepted_pattern_explodes(text: str) -> None:
    """Twice the text never costs a hundred times the steps: five loops in a row cost 32 times, an explosion thousands."""
    pattern = text + "!"
    if regex.fault(pattern):
        return
    code = _pcre2.Code(pattern.encode(), _PLAINLY)
    for hostile in (b"a", b"ab", b"a/", b"b/a"):
        steps = _steps(code, hostile * (12 // len(hostile)))
        assert not _exceeds(code, hostile * (24 // len(hostile)), 100 * steps)


@pytest.mark.parametrize("text", ["(?:a+)+", "(?:a|ab?)*", "(?:a|[ab])*", "(?:.*)*"])
def test_an_explosion_would_be_seen(text: str) -> None:
    """The measure above tells patterns that are refused."""
    code = _pcre2.Code(text.encode() + b"!", _PLAINLY)
    steps = _steps(code, b"a" * 12)
    assert _exceeds(code, b"a" * 24, 100 * steps)
