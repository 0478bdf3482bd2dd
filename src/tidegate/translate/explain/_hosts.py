"""Which host entry and which of its rules a request meets (contract: "How a host's rules are matched")."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl

from tidegate import model
from tidegate.model import PathKind, Rule
from tidegate.translate.explain import _patterns
from tidegate.translate.explain._values import Request, Step

_MISSES: Final = 6
"""Rules that are told about although they were not taken: enough to see the mistake, few enough to read."""


@dataclass(frozen=True, slots=True)
class Matched:
    """The way through a host: a route, or a slash to add, or nothing."""

    host: str = ""
    rule: Rule | None = None
    route: str = ""
    captures: tuple[str, ...] = ()
    add_slash: bool = False
    trail: tuple[Step, ...] = ()
    is_regex: bool = False

    @property
    def kind(self) -> str:
        """How the rule was compared: Exact, Prefix or Regex; empty without a rule."""
        if self.rule is None:
            return ""
        return "Regex" if self.is_regex else "Exact" if self.rule.kind is PathKind.EXACT else "Prefix"

    def is_same(self, other: Matched) -> bool:
        """Tell whether both ways end at the same rule."""
        return (self.rule, self.route, self.add_slash) == (other.rule, other.route, other.add_slash)


_CALL: Final = re.compile(r"application/grpc(?:[+; ].*)?", re.DOTALL)


def host_name(header: str) -> str:
    """Give the name of a Host header as nginx's `$host`: lower case, without port and trailing dot."""
    return without_port(header.lower()).removesuffix(".")


def without_port(header: str) -> str:
    """Give a Host header without its port, as it was written."""
    return header.partition("]")[0] + "]" if header.startswith("[") else header.partition(":")[0]


def candidates(name: str) -> tuple[str, ...]:
    """Give the host entries that a name may use, best first."""
    _, dot, rest = name.partition(".")
    return (name, f"*.{rest}", "_") if dot and rest else (name, "_")


def find(entries: Mapping[str, model.Entry], request: Request, name: str, path: str) -> Matched:
    """Find the route of a request whose host is `name` and whose normalized path is `path`."""
    trail: list[Step] = []
    for candidate in candidates(name):
        host = entries.get(f"h/{model.LISTENER}/{candidate}")
        if isinstance(host, model.Host):
            trail.append(Step("host", _host_text(candidate, name), decisive=True))
            return _within(entries, candidate, host, request, path, trail)
        trail.append(Step("host", f"no host {candidate}"))
    return Matched(trail=tuple(trail))


def rules_of(entries: Mapping[str, model.Entry], name: str, host: model.Host) -> tuple[Rule, ...]:
    """Give all rules of a host, those in its buckets included."""
    if not host.buckets:
        return host.rules
    buckets = (entries.get(f"m/{model.LISTENER}/{name}/{number}") for number in range(host.buckets))
    return tuple(rule for bucket in buckets if isinstance(bucket, model.Bucket) for rule in bucket.rules)


def _within(
    entries: Mapping[str, model.Entry],
    name: str,
    host: model.Host,
    request: Request,
    path: str,
    trail: list[Step],
) -> Matched:
    rules = rules_of(entries, name, host)
    found = _by_pattern(rules, request, path, trail) if host.regex else _by_path(rules, request, path, trail)
    if found is not None:
        return replace(found, host=name, trail=tuple(trail))
    if host.fallback:
        trail.append(Step("rule", f"no rule matches: the default backend of host {name}", decisive=True))
        return Matched(name, route=host.fallback, trail=tuple(trail))
    other = entries.get(f"h/{model.LISTENER}/_")
    if isinstance(other, model.Host) and other.fallback:
        trail.append(Step("rule", "no rule matches: the default backend of all hosts", decisive=True))
        return Matched(name, route=other.fallback, trail=tuple(trail))
    trail.append(Step("rule", "no rule matches, and there is no default backend", decisive=True))
    return Matched(name, trail=tuple(trail))


# --- plain hosts ---------------------------------------------------------------------------------------

_EXACT: Final = 4
_PREFIX_ITSELF: Final = 3
_ADD_SLASH: Final = 2
_PREFIX: Final = 1


def _claim(rule: Rule, path: str) -> tuple[int, int, bool] | None:
    """Say how strongly a rule of a plain host claims a path, as locations of nginx do; None: not at all."""
    if rule.kind is PathKind.EXACT:
        return (_EXACT, 0, False) if path == rule.path else None
    if path == rule.path and not rule.path.endswith("/"):
        return (_PREFIX_ITSELF, 0, False)
    under = rule.path if rule.path.endswith("/") else rule.path + "/"
    if path.startswith(under):
        # Of /p and /p/, the one that was written with its slash.
        return (_PREFIX, len(under), under == rule.path)
    return (_ADD_SLASH, 0, False) if rule.path == path + "/" else None


def _by_path(rules: tuple[Rule, ...], request: Request, path: str, trail: list[Step]) -> Matched | None:
    claims = [(claim, rule) for rule in rules if (claim := _claim(rule, path)) is not None]
    # Stable: of equal claims, the rule with conditions stands first in the host.
    claims.sort(key=lambda item: item[0], reverse=True)
    best = claims[0][0] if claims else None
    taken: Matched | None = None
    for claim, rule in claims:
        if taken is not None or claim != best:
            trail.append(Step("rule", f"{_named(rule)} matches too; a longer or exact path goes first"))
        elif fault := _unmet(rule, request):
            trail.append(Step("rule", f"{_named(rule)} matches the path, but {fault}"))
        else:
            add_slash = claim[0] == _ADD_SLASH
            taken = Matched(rule=rule, route="" if add_slash else rule.route, add_slash=add_slash)
            end = " after a redirect that adds the slash" if add_slash else ""
            trail.append(Step("rule", f"{_named(rule)} matches {path}{end}", decisive=True))
    trail.extend(_misses(rules, path))
    return taken


def _misses(rules: tuple[Rule, ...], path: str) -> Iterator[Step]:
    """Tell about the rules that come nearest to a path without matching it."""
    missed = [rule for rule in rules if _claim(rule, path) is None]
    # The root is shared by all and says nothing.
    near = [(shared, rule) for rule in missed if (shared := _shared(rule.path.lower(), path.lower())) > 1]
    near.sort(key=lambda item: (-item[0], item[1].path))
    for _, rule in near[:_MISSES]:
        yield Step("rule", f"{_named(rule)} does not match: {_why_not(rule, path)}")


def _shared(one: str, other: str) -> int:
    """Count the characters that two paths have in common at their start."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _why_not(rule: Rule, path: str) -> str:
    if rule.path.lower() == path.lower():
        return "upper and lower case differ"
    if rule.kind is PathKind.EXACT:
        return "the path would have to be the same"
    if path.startswith(rule.path):
        return "a prefix ends at a slash"
    return f"the path does not start with {rule.path.rstrip('/')}/"


# --- regex hosts ---------------------------------------------------------------------------------------


def _by_pattern(rules: tuple[Rule, ...], request: Request, path: str, trail: list[Step]) -> Matched | None:
    # Stable, so that rules with conditions stay before the one without of the same path.
    ordered = sorted(rules, key=lambda r: r.kind)
    ordered.sort(key=lambda r: (len(r.path.encode()), r.path.encode()), reverse=True)
    missed = 0
    for rule in ordered:
        found = _patterns.find(rule.path, path, anchored=True, ignore_case=True)
        if found is None:
            missed += 1
            if missed <= _MISSES:
                trail.append(Step("rule", f"^{rule.path} does not match {path}"))
        elif fault := _unmet(rule, request):
            trail.append(Step("rule", f"^{rule.path} matches, but {fault}"))
        else:
            said = f"^{rule.path} matches {path} (all paths of this host are regular expressions)"
            trail.append(Step("rule", said, decisive=True))
            return Matched(rule=rule, route=rule.route, captures=found.groups[1:], is_regex=True)
    return None


# --- both ----------------------------------------------------------------------------------------------


def _unmet(rule: Rule, request: Request) -> str:
    """Say which condition of a rule a request does not meet; empty if it meets all."""
    if rule.when is None:
        return ""
    if rule.when.methods and request.method not in rule.when.methods:
        return f"the method must be {' or '.join(rule.when.methods)}"
    for name, value in rule.when.headers.items():
        if request.headers.get(name) != value:
            return f"header {name} must be {value}"
    if rule.when.grpc and not _CALL.fullmatch(request.headers.get("content-type", "")):
        return "it is no gRPC call"
    query = dict(parse_qsl(request.uri.partition("?")[2], keep_blank_values=True))
    for name, value in rule.when.query.items():
        if query.get(name) != value:
            return f"query parameter {name} must be {value}"
    return ""


def _named(rule: Rule) -> str:
    return f"{'Exact' if rule.kind is PathKind.EXACT else 'Prefix'} {rule.path}"


def _host_text(entry: str, name: str) -> str:
    if entry == name:
        return f"host {entry}"
    return f"host {entry}: any other host" if entry == "_" else f"host {entry} covers {name}"
