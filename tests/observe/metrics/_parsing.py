"""A strict parser of Prometheus' text: what it takes, every scraper takes."""

from __future__ import annotations

import re
from collections import defaultdict

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,(?!$)|$)')
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)")
_SUFFIXES = ("_bucket", "_sum", "_count")

Labels = frozenset[tuple[str, str]]


def parse(text: str) -> dict[str, dict[Labels, float]]:
    """Give name → labels → value; fails where the text is not what it should be."""
    assert text.endswith("\n")
    samples: dict[str, dict[Labels, float]] = defaultdict(dict)
    types: dict[str, str] = {}
    current = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            assert current not in types, f"{current} comes twice"
            types[current] = ""
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current, line
            assert kind in {"counter", "gauge", "histogram"}, line
            types[current] = kind
        else:
            found = _SAMPLE.fullmatch(line)
            assert found, line
            name = found[1]
            family = current if name == current else next(
                (name.removesuffix(s) for s in _SUFFIXES if name.endswith(s)), name
            )  # fmt: skip
            assert family == current, f"{name} stands among {current}"
            assert (name == family) == (types[family] != "histogram"), line
            labels = _labels(found[2] or "")
            assert labels not in samples[name], f"twice: {line}"
            samples[name][labels] = float(found[3])
    _judge_histograms(samples, types)
    return samples


def _labels(text: str) -> Labels:
    found, at = {}, 0
    while at < len(text):
        match = _LABEL.match(text, at)
        assert match, text
        assert match[1] not in found, text
        found[match[1]] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], match[2])
        at = match.end()
    return frozenset(found.items())


def _judge_histograms(samples: dict[str, dict[Labels, float]], types: dict[str, str]) -> None:
    for family in (name for name, kind in types.items() if kind == "histogram"):
        buckets: dict[Labels, list[tuple[float, float]]] = defaultdict(list)
        for labels, value in samples[f"{family}_bucket"].items():
            given = dict(labels)
            limit = float(given.pop("le").replace("+Inf", "inf"))
            buckets[frozenset(given.items())].append((limit, value))
        assert set(buckets) == set(samples[f"{family}_count"]) == set(samples[f"{family}_sum"])
        for labels, found in buckets.items():
            found.sort()
            assert [value for _, value in found] == sorted(value for _, value in found), family
            assert found[-1] == (float("inf"), samples[f"{family}_count"][labels]), family


def total(samples: dict[str, dict[Labels, float]], name: str, **labels: str) -> float:
    """Add up the series of a name that have these labels."""
    wanted = set(labels.items())
    return sum(value for found, value in samples[name].items() if wanted <= found)
