"""How a host's rules are matched (contract.md), judged by a slow and obvious match of the same rules."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterable

import pytest

from harness import http
from harness.dataplane import DataPlane
from tidegate.model import Bucket, Conditions, Entry, Host, PathKind, Route, Rule

HOST = "a.example.com"
PLAIN, EXACT = PathKind.PREFIX, PathKind.EXACT
Written = list[tuple[PathKind, str]]


def _name(kind: PathKind, path: str) -> str:
    return f"ns/{kind}{path.replace('/', '-')}/0"


def _routes(rules: Iterable[tuple[PathKind, str]]) -> dict[str, Entry]:
    return {
        f"r/{_name(kind, path)}": Route(
            "ns", path=path, settings={"redirect": [301, f"https://x/{kind}{path}"]}
        )
        for kind, path in rules
    }


def _rules(rules: Iterable[tuple[PathKind, str]]) -> tuple[Rule, ...]:
    return tuple(Rule(kind, path, _name(kind, path)) for kind, path in rules)


def _entries(rules: Written, **host: object) -> dict[str, Entry]:
    return {f"h/main/{HOST}": Host(_rules(rules), **host), **_routes(rules)}  # type: ignore[arg-type]


def _bucketed(rules: Written, count: int) -> dict[str, Entry]:
    entries: dict[str, Entry] = {f"h/main/{HOST}": Host(buckets=count), **_routes(rules)}
    for n in range(count):
        mine = [r for r in rules if zlib.crc32(r[1].encode()) % count == n]
        entries[f"m/main/{HOST}/{n}"] = Bucket(_rules(mine))
    return entries


def _expected(rules: Written, uri: str) -> str | None:
    if (EXACT, uri) in rules:
        return f"https://x/{EXACT}{uri}"
    if uri != "/" and (PLAIN, uri) in rules and not uri.endswith("/"):
        return f"https://x/{PLAIN}{uri}"
    best = None
    for kind, path in rules:
        if kind is PLAIN and uri.startswith(path.rstrip("/") + "/"):
            # "/p/" itself is stronger than the half of "/p" that stands for the same directory.
            rank = (len(path.rstrip("/")), path.endswith("/"))
            best = max(best or (rank, path), (rank, path))
    if (PLAIN, uri + "/") in rules and not uri.endswith("/"):
        return f"http://{HOST}{uri}/"
    return f"https://x/{PLAIN}{best[1]}" if best else None


def _location(plane: DataPlane, path: str) -> str | None:
    return http.get(plane.http, path, host=HOST).get("Location")


def _path(chance: random.Random, depth: int) -> str:
    path = "".join(f"/{chance.choice('abc')}" for _ in range(chance.randrange(depth + 1)))
    return path + ("/" if not path or chance.random() < 0.2 else "")


@pytest.mark.parametrize("seed", range(4))
def test_random_rules_match_as_the_obvious_way_says(seed: int) -> None:
    """Whatever the rules, however deep, inline or in buckets."""
    chance = random.Random(seed)
    rules = list({(chance.choice([PLAIN, PLAIN, EXACT]), _path(chance, 6)) for _ in range(40)})
    with DataPlane(_entries(rules) if seed % 2 else _bucketed(rules, 4), workers=1) as plane:
        for _ in range(300):
            uri = _path(chance, 8)
            assert _location(plane, uri) == _expected(rules, uri), (uri, sorted(rules))


def test_changing_one_bucket_changes_its_paths_and_no_others() -> None:
    """Random edits, one bucket at a time, end as the rules that are left."""
    chance = random.Random(11)
    every = sorted({(chance.choice([PLAIN, EXACT]), _path(chance, 4)) for _ in range(60)})
    rules = list(every)
    with DataPlane({**_bucketed(rules, 8), **_routes(every)}, workers=1) as plane:
        for _ in range(60):
            rule = chance.choice(every)
            rules = [r for r in rules if r != rule] if rule in rules else [*rules, rule]
            number = zlib.crc32(rule[1].encode()) % 8
            key = f"m/main/{HOST}/{number}"
            plane.push({key: _bucketed(rules, 8)[key]})
            for uri in (rule[1], rule[1].rstrip("/") + "/x", _path(chance, 5), _path(chance, 5)):
                assert _location(plane, uri) == _expected(rules, uri), (uri, rules)


@pytest.mark.parametrize("regex", [False, True])
def test_the_first_request_to_a_host_with_buckets_is_right(regex: bool) -> None:  # noqa: FBT001
    """Only the buckets that its path needs are decoded then; very deep paths need all."""
    chance = random.Random(5)
    deep = "/a" * 40
    rules = [*{(chance.choice([PLAIN, EXACT]), _path(chance, 5)) for _ in range(60)}, (PLAIN, deep)]
    if regex:
        rules = [(PLAIN, path) for path in sorted({path for _, path in rules})]
    entries = _bucketed(rules, 64)
    host = Host(buckets=64, regex=regex)
    entries[f"h/main/{HOST}"] = host
    ordered = sorted((path for _, path in rules), key=lambda p: (len(p), p), reverse=True)
    with DataPlane(entries, workers=1) as plane:
        for uri in [*(_path(chance, 7) for _ in range(60)), f"{deep}/b", deep[:-2], f"{deep}{deep}"]:
            # The same entry anew: what was decoded is forgotten.
            plane.push({f"h/main/{HOST}": host})
            first = next((p for p in ordered if uri.startswith(p)), None)
            wanted = (first and f"https://x/{PLAIN}{first}") if regex else _expected(rules, uri)
            assert _location(plane, uri) == wanted, (uri, sorted(rules))


def test_on_a_regex_host_the_longest_pattern_is_tried_first() -> None:
    """Anchored at the start only, case-insensitive, path types ignored (reference g.2)."""
    rules = [(PLAIN, "/foo"), (EXACT, "/foo/bar"), (PLAIN, "/f.o/[a-z]+/z"), (PLAIN, "/")]
    ordered = sorted((path for _, path in rules), key=lambda p: (len(p), p), reverse=True)
    with DataPlane(_entries(rules, regex=True), workers=1) as plane:
        for uri in ("/foo", "/FOObar", "/foo/barx", "/fxo/q/z", "/fxo/q/y", "/", "/other", "/FOO/BAR"):
            first = next(p for p in ordered if re.match(p, uri, re.IGNORECASE))
            kind = {path: kind for kind, path in rules}[first]
            assert _location(plane, uri) == f"https://x/{kind}{first}", uri


def test_exact_hosts_win_over_wildcards_and_those_over_any() -> None:
    """The star stands for exactly one label (reference g.4)."""
    names = ("a.example.com", "*.example.com", "_")
    entries: dict[str, Entry] = {}
    for name in names:
        entries[f"h/main/{name}"] = Host((Rule(PLAIN, "/", f"ns/{name}/0"),))
        entries[f"r/ns/{name}/0"] = Route("ns", path="/", settings={"redirect": [301, f"https://{name}/"]})
    with DataPlane(entries, workers=1) as plane:
        for host, wanted in {
            "a.example.com": "a.example.com",
            "A.EXAMPLE.com:8080": "a.example.com",
            "a.example.com.": "a.example.com",
            "b.example.com": "*.example.com",
            "b.c.example.com": "_",
            "example.com": "_",
            "other.org": "_",
        }.items():
            assert http.get(plane.http, "/", host=host).get("Location") == f"https://{wanted}/", host


def test_a_path_without_a_rule_takes_the_fallback_of_its_host_then_that_of_any_host() -> None:
    """And 404 where neither has one (reference g.5)."""
    entries = _entries([(PLAIN, "/only")])
    with DataPlane(entries, workers=1) as plane:
        assert http.get(plane.http, "/x", host=HOST).status == 404
        plane.push({"h/main/_": Host(fallback="ns/any/0"), "r/ns/any/0": _redirect("any")})
        assert _location(plane, "/x") == "https://any/"
        plane.push(
            {
                f"h/main/{HOST}": Host(_rules([(PLAIN, "/only")]), fallback="ns/own/0"),
                "r/ns/own/0": _redirect("own"),
            }
        )
        assert _location(plane, "/x") == "https://own/"


def _redirect(name: str) -> Route:
    return Route("ns", path="/", settings={"redirect": [301, f"https://{name}/"]})


def test_rules_with_conditions_are_taken_only_if_all_hold() -> None:
    """Method, headers and query; else the next rule of the same path."""
    conditions = {
        "post": Conditions(methods=("POST",)),
        "header": Conditions(headers={"x-color": "blue"}),
        "both": Conditions(methods=("GET",), query={"v": "2"}),
    }
    rules = (
        *(Rule(PLAIN, "/", f"ns/{n}/0", when) for n, when in conditions.items()),
        Rule(PLAIN, "/", "ns/rest/0"),
    )
    routes = {f"r/ns/{n}/0": _redirect(n) for n in (*conditions, "rest")}
    with DataPlane({f"h/main/{HOST}": Host(rules), **routes}, workers=1) as plane:

        def asked(path: str = "/", method: str = "GET", **headers: str) -> str | None:
            sent = [(n.replace("_", "-"), v) for n, v in headers.items()]
            return http.get(plane.http, path, host=HOST, method=method, headers=sent).get("Location")

        assert asked(method="POST") == "https://post/"
        assert asked(X_Color="blue") == "https://header/"
        assert asked(X_Color="red") == "https://rest/"
        assert asked("/?v=2") == "https://both/"
        assert asked("/?v=3") == "https://rest/"


def test_healthz_is_answered_for_unknown_hosts_unless_a_rule_claims_it() -> None:
    """On both kinds of unknown: no host at all, and host "_" (reference d)."""
    with DataPlane(workers=1) as plane:
        assert http.get(plane.http, "/healthz", host="whatever").status == 200
        plane.push({"h/main/_": Host((Rule(PLAIN, "/", "ns/any/0"),)), "r/ns/any/0": _redirect("any")})
        assert http.get(plane.http, "/healthz", host="whatever").status == 200
        assert _location(plane, "/other") == "https://any/"
        plane.push({"h/main/_": Host((Rule(EXACT, "/healthz", "ns/any/0"),))})
        assert http.get(plane.http, "/healthz", host="whatever").status == 301
