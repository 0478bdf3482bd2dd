"""What YAML text means: as kubectl reads it, and the same by both readers."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from tidegate.sources import _exact, _scalars, _simple


def exact(text: str | bytes) -> Any:
    (value,) = _exact.read(text.encode() if isinstance(text, str) else text)
    return value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("Yes", True), ("on", True), ("ON", True), ("y", True), ("true", True), ("TRUE", True),
        ("no", False), ("off", False), ("n", False), ("N", False), ("False", False),
        ("yEs", "yEs"), ("oN", "oN"), ("tRUE", "tRUE"),
        ("null", None), ("~", None), ("", None), ("Null", None), ("nUll", "nUll"),
        ("12", 12), ("-12", -12), ("+12", 12), ("0", 0), ("-0", 0), ("1_000", 1000), ("0x1F", 31), ("0b101", 5),
        ("0o17", 15), ("0777", 511), ("-0777", -511), ("08", 8.0), ("0_7", 7),
        ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("1E-2", 0.01), ("1_0.5", 10.5),
        ("18446744073709551615", 2**64 - 1), ("-9223372036854775808", -(2**63)), ("18446744073709551616", float(2**64)),
        ("9" * 500, "9" * 500), ("1e999", "1e999"),
        ("12:30:45", "12:30:45"), ("190:20", "190:20"), ("2026-01-02", "2026-01-02"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"), ("1.2.3", "1.2.3"), ("10.0.0.1", "10.0.0.1"), ("8m", "8m"),
        ("0x", "0x"), ("0b2", "0b2"), ("-", "-"), ("+", "+"), (".", "."), ("1-2", "1-2"), ("e3", "e3"), ("_1", "_1"),
        ("nan", "nan"), ("inf", "inf"), ("=", "="),
    ],
)  # fmt: skip
def test_plain_scalars_mean_what_kubectl_takes_them_for(text: str, value: Any) -> None:
    """The rules of sigs.k8s.io/yaml: YAML 1.1's words, octal and underscores; no sexagesimal numbers, no dates."""
    found = _scalars.resolve(text)
    assert (type(found), found) == (type(value), value)
    if text != "-":
        assert exact(f"a: {text}\n") == {"a": value}
    assert exact(f"a: '{text}'\n") == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!!str 5", "5"), ("!!str true", "true"), ("! 5", "5"), ("!!int '5'", 5), ("!!float 5", 5.0), ("!!bool yes", True),
        ("!!null ''", None), ("!!binary aGVsbG8=", "hello"), ("!custom 5", "5"), ("!!timestamp 2026-01-02", "2026-01-02"),
        ("!!map {a: 1}", {"a": 1}), ("!custom [1]", [1]),
    ],
)  # fmt: skip
def test_tags_are_heeded(text: str, value: Any) -> None:
    assert exact(f"a: {text}\n") == {"a": value}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("5: x", ["5"]),
        ("0x10: x", ["16"]),
        ("yes: x", ["true"]),
        ("off: x", ["false"]),
        ("1.5: x", ["1.5"]),
        ("? k\n: x", ["k"]),
    ],
)
def test_keys_become_text_as_in_json(text: str, keys: list[str]) -> None:
    assert list(exact(text)) == keys


def test_merge_keys_give_what_the_mapping_lacks() -> None:
    """Its own keys win wherever they stand, then the earlier mapping of a list."""
    text = "a: &a {x: 1, v: 1}\nb: &b {v: 2, z: 2}\nc: {x: 0, <<: [*a, *b], u: 0}\nd: {<<: *a, x: 5}\ne: {'<<': 1}\n"
    value = exact(text)
    assert value["c"] == {"x": 0, "u": 0, "v": 1, "z": 2}
    assert value["d"] == {"x": 5, "v": 1}
    assert value["e"] == {"<<": 1}


def test_aliases_stand_for_their_anchors() -> None:
    assert exact("a: &x [1, 2]\nb: *x\nc: &y k\n*y : v\n") == {"a": [1, 2], "b": [1, 2], "c": "k", "k": "v"}


def test_a_large_document_without_aliases_has_no_limit_of_nodes() -> None:
    assert len(exact("a: [" + "1," * 200_000 + "]")["a"]) == 200_000


def test_a_text_of_a_megabyte_is_one_value() -> None:
    for text in ("x" * 2**20, "x\\n" * 2**19):
        assert len(exact(f'a: "{text}"')["a"]) == 2**20
    assert _simple.read(f"a: {'x' * 2**20}") == {"a": "x" * 2**20}


MANIFEST = """\
# a comment
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: "shop"
  annotations:
    nginx.ingress.kubernetes.io/use-regex: 'true'
    "quoted/key": a b  c
    empty: ""
  labels: {}
spec:
  rules:
  - host: shop.example.com

    http:
      paths:
      - path: /cart(/|$)(.*)
        pathType: Prefix
        backend: # not simple, if this were here
          service:
            name: cart
            port:
              number: 80
  - host: http://x:80/?a=b&c
  tls:
    - hosts: [a.example.com, "b.example.com"]
      secretName:
  ips:
    - 10.0.0.1
    - 10.0.0.0/8
    -   fe80
  words: [on]
"""


def test_the_simple_reader_reads_what_manifests_are_written_in() -> None:
    """And finds the same as the exact one."""
    text = MANIFEST.replace(" # not simple, if this were here", "")
    simple = _simple.read(text)
    assert simple == exact(text)
    assert simple is not None
    assert simple["spec"]["words"] == [True]
    assert simple["spec"]["tls"][0] == {"hosts": ["a.example.com", "b.example.com"], "secretName": None}


@pytest.mark.parametrize(
    "text",
    [
        MANIFEST, "a: b: c", "a: &x b", "a: *x", "a: !t b", "a: |\n  b", "a: >\n  b",
        "a: 'b\n  c'", 'a: "b\n  c"', "a: b\n  c",
        "a: b # c", "a:\tb", "\ta: b", "a: b\t", "a: b\n\n\tc: d", "a : b", "? a\n: b", "{a: b}", "[a]",
        "a: [b, [c]]", "a: [b c: d]",
        "a: {b: c}", "a: [b,]", "a: [b,,c]", "a\n", "- a", "...", "a: b\n...\n", "a: 0777", "a: 1_0",
        "a: -1", "a: +1", "a: 1.5", "a: .5",
        "a: 1e5", "a: 0x1", "a: 2026-01-02", "a: 1:30", 'a: "\\n"', "a: 'it''s'", "a: b\na: c",
        "a: b\n'a': c", "y: a", "on: a", "~: a",
        "null: a", "5: a", "<<: a", "a:\n b: c\n  d: e", "a:\n  b: c\n d: e", "a:\n- b\n c: d",
        "a: b\n- c", "a: b\n  - c", "a:\n- b\n  - c",
        "a:\n-b", "a:\n-\n  b: c", "a:\n- - b", "a:\n- - b: c", "a: - b", "--- a: b", "--- !t\na: b",
        "---\n---\n", "%YAML 1.2\n---\na: b",
        "a: ü", "# ü\na: b", "a: b\x00", "# \x07\na: b", "# \r\na: b", "a: @b", "a: `b", "a: %b", "a: b:",
        "a: :b", "a: ?b", "a: -b", "a: ,b",
        " a: b", "  a: b\nc: d", "a:\n  - b: c\n   d: e", "a:\n  -  b: c\n     d: e",
        "a:\n  -  b: c\n    d: e", "a: ]", "a: }", "a: b]",
        "a: b, c", "a: 5s", "a: 5 s", "a: 5b", "a: 5e", "a: 5e1s", "a: 0k", "a: 1.1.1.1", "a: 1.1.1",
        "a: 1.1", "a: 1.1.", "a: y", "a: =",
        "a: 12345678901234567890", "a:\n  b:\n  c:\n", "a:\n  b:\n- c", "a: ''", "a: ' '", "a:  b",
        "a: b ", "a:    ", "a: ", "a: #b", "a: b#c",
        'a: "b"c', 'a: "b" "c"', "'a': b", '"a b": c', '"a: b": c', '"a":b', "a:b",
        "a: b\n\n\n", "", "\n", "# a", "---", "---\n# a\n", "--- \na: b",
        "a: !!str 5", "a:\n  # b\n  c: d", "a:\n# b\n  c: d", "a: b\n   # c\nd: e", "a: [ ]", "a: { }",
        "a: [a b]", "a: [5, yes, 'x, y', on]",
        "a:\n  - 5\n  - yes\n  - 'x'\n  - b: c\n  - d\n", "a: null", "a: ~", "a: [~]", "a: [null]",
        "- a: b\n- c: d", "a: *", "a: b*c", "a: <b",
    ],
)  # fmt: skip
def test_the_simple_reader_never_finds_anything_else(text: str) -> None:
    """It reads what the exact reader reads, or leaves it to that one; it accepts nothing that the exact reader refuses."""
    check_agreement(text)


def check_agreement(text: str) -> bool:
    try:
        simple = _simple.read(text)
    except _simple.NotSimple:
        return False
    values = list(_exact.read(text.encode()))
    assert [v for v in values if v is not None] == ([] if simple is None else [simple])
    assert repr([v for v in values if v is not None]) == repr([] if simple is None else [simple])
    return True


WORDS = st.sampled_from(
    ["a", "b", "key", "yes", "on", "~", "null", "5", "0x1", "1.5", "08", "-1", "- ", "-", ": ", ":", " ",
    "  ", "\n", "\n  ", "\n- ", "\n  - ",
     "#", " #", "'", '"', "[", "]", "{", "}", ",", ", ", "&a", "*a", "!t", "|", ">", "\t", "---", "\n---\n",
     "...", "%", "?", "<<", "\\", "a: b",
     "k:\n", "10.0.0.1", "5m", "/x", "=", "@", "`"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=14).map("".join))
@example("a:\n- b\nc: d")
def test_the_readers_agree_on_random_text(text: str) -> None:
    check_agreement(text)


SIMPLE: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(["x", "/y z", 5, 80, True, None, "10.0.0.1", "on", "", [], {}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=10,
)
MUTATIONS = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from(["insert", "cut", "indent", "outdent", "double"]), WORDS),
    max_size=3,
)


@given(
    value=st.dictionaries(st.sampled_from("abcd"), SIMPLE, min_size=1, max_size=4),
    mutations=MUTATIONS,
    indented=st.booleans(),
)
def test_the_readers_agree_on_mutated_manifests(
    *, value: Any, mutations: list[tuple[int, str, str]], indented: bool
) -> None:
    """Random block mappings, with lines moved, doubled and damaged."""
    text = yaml.dump(
        value, Dumper=_Indented if indented else yaml.SafeDumper, default_flow_style=False, sort_keys=False
    )
    for at, how, word in mutations:
        text = _mutated(text, at, how, word)
    check_agreement(text)


class _Indented(yaml.SafeDumper):
    """Indents lists, as many people do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002 - as PyYAML has it
        super().increase_indent(flow, indentless=False)


def _mutated(text: str, at: int, how: str, word: str) -> str:
    if how == "insert":
        place = at % (len(text) + 1)
        return text[:place] + word + text[place:]
    lines = text.split("\n")
    place = at % len(lines)
    line = lines[place]
    lines[place : place + 1] = {
        "cut": [],
        "indent": ["  " + line],
        "outdent": [line.removeprefix("  ")],
        "double": [line, line],
    }[how]
    return "\n".join(lines)


TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\x7f", exclude_categories=("Cc", "Cs", "Cn", "Co")),
    max_size=12,
)
PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
    | st.sampled_from(["yes", "on", "null", "0777", "1_0", "~", "1e3", "10.0.0.1", "- a", "a: b", "#", "", " "]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.sampled_from(["on", "5", "a"]), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


class _Dumper(yaml.SafeDumper):
    """Quotes also what only kubectl takes for something other than text, such as ``1e3``."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    try:
        plain = _scalars.resolve(text) == text
    except _scalars.NotOfTag:
        plain = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else "'")


_Dumper.add_representer(str, _text)


@given(
    value=st.dictionaries(TEXT, PLAIN, min_size=1, max_size=3),
    wide=st.booleans(),
    flow=st.sampled_from([None, True, False]),
)
def test_what_pyyaml_writes_is_read_as_it_was(*, value: Any, wide: bool, flow: bool | None) -> None:
    text = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=flow,
        width=1000 if wide else 20,
        allow_unicode=wide,
        sort_keys=False,
    )
    assert exact(text) == value
    check_agreement(text)
