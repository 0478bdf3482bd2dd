"""Whatever happened before, the entries are those that a fresh translator makes of the objects that are there."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.translate.objects import FOLDER, Fact, World, endpoint_slice, ingress, load, path, rule, service
from tidegate.findings import Finding
from tidegate.kube.objects import Ref, Resource
from tidegate.model import Host, Route, decode, encode
from tidegate.translate import Options, Translator, last_good_of

# Few names, so that objects meet: nearly every Ingress here conflicts with another one.
HOSTS = ["a.example", "a.example", "*.example", ""]
PATHS = ["/", "/", "/a", "/a(x", "/v[0-9]+(/|$)(.*)"]
SERVICES = ["one", "two"]
NAMESPACES = ["shop", "shop", "shop", "desk"]
NAMES = ["i1", "i2", "i3"]
OPTIONS = msgspec.structs.replace(
    FOLDER, default_backend_service="desk/one", default_ssl_certificate="desk/cert", configmap="desk/config"
)
_CANARY = {"canary": "true", "canary-weight": "10"}
_STICKY = {"affinity": "cookie"}
ANNOTATIONS = st.sampled_from(
    [
        {}, {}, _CANARY, _CANARY, _CANARY | {"canary-weight": "50"}, {"use-regex": "true"}, {"rewrite-target": "/$2"},
        {"service-upstream": "true"}, {"proxy-body-size": "8m"}, {"proxy-body-size": "9m"}, {"ssl-redirect": "false"},
        {"auth-url": "http://x"}, {"permanent-redirect": "a b"}, {"permanent-redirect": "/x"}, {"unknown": "x"},
        {"upstream-vhost": "$service_name"}, {"allowlist-source-range": "x"}, {"proxy-buffering": "on"},
        _STICKY, _STICKY | {"affinity-mode": "persistent"}, {"load-balance": "ewma"}, {"upstream-hash-by": "$host"},
    ]
)  # fmt: skip
RULES = st.builds(
    lambda host, paths: rule(host, *paths),
    st.sampled_from(HOSTS),
    st.lists(
        st.builds(
            path,
            st.sampled_from(PATHS),
            st.sampled_from(SERVICES),
            st.sampled_from([80, 80, "http"]),
            st.sampled_from(["Prefix", "ImplementationSpecific", "ImplementationSpecific"]),
        ),
        min_size=1,
        max_size=2,
    )
    | st.just([]),
)


def _ingress(
    namespace: str, name: str, rules: list[Any], annotations: dict[str, str], year: int, **more: Any
) -> Fact:
    default = {"service": {"name": more["default"], "port": {"number": 80}}} if more["default"] else None
    tls = [{"hosts": hosts, "secretName": secret} for hosts, secret in more["tls"]]
    return ingress(
        name, *rules, namespace=namespace, annotations=annotations, created=str(year),
        defaultBackend=default, tls=tls, ingressClassName=more["cls"],
    )  # fmt: skip


INGRESSES = st.builds(
    _ingress,
    st.sampled_from(NAMESPACES),
    st.sampled_from(NAMES),
    st.lists(RULES, min_size=1, max_size=2) | st.just([]),
    ANNOTATIONS,
    st.integers(2020, 2022),
    default=st.sampled_from(["", "", "one", "two"]),
    tls=st.lists(
        st.tuples(st.lists(st.sampled_from(HOSTS), max_size=2), st.sampled_from(["cert", "none"])), max_size=2
    ),
    cls=st.sampled_from([None, None, None, None, "nginx", "other"]),
)
SERVICE_FACTS = st.builds(
    lambda namespace, name, ports, spec: service(name, *ports, namespace=namespace, **spec),
    st.sampled_from(NAMESPACES),
    st.sampled_from(SERVICES),
    st.lists(st.sampled_from([{"port": 80, "targetPort": 8080}, {"port": 81, "name": "http"}]), max_size=2),
    st.sampled_from([{}, {"clusterIP": "10.9.0.1"}, {"type": "ExternalName", "externalName": "db.example"}]),
)
SLICES = st.builds(
    lambda namespace, name, number, addresses: endpoint_slice(
        name, *addresses, name=f"s{number}", namespace=namespace
    ),
    st.sampled_from(NAMESPACES),
    st.sampled_from(SERVICES),
    st.integers(1, 3),
    st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2", "127.0.0.1", "fd00::1", "nonsense"]), max_size=3),
)
CLASSES = st.builds(
    lambda name, controller: load("IngressClass", name, None, spec={"controller": controller}),
    st.sampled_from(["nginx", "other"]),
    st.sampled_from(["k8s.io/ingress-nginx", "example.com/other"]),
)
_CONFIG_KEYS = [
    "strict-validate-path-type",
    "service-upstream",
    "annotations-risk-level",
    "proxy-read-timeout",
    "whitelist-source-range",
    "global-auth-url",
]
CONFIGS = st.builds(
    lambda data: load("ConfigMap", "config", "desk", data=data),
    st.dictionaries(
        st.sampled_from(_CONFIG_KEYS),
        st.sampled_from(["true", "false", "Low", "7", "10.0.0.0/8"]), max_size=2),
)  # fmt: skip


def _secrets(certificates: dict[str, tuple[bytes, bytes]]) -> st.SearchStrategy[Fact]:
    kinds = st.sampled_from(sorted(certificates))
    return st.builds(
        lambda namespace, chain, key: load(
            "Secret",
            "cert",
            namespace,
            data={"tls.crt": certificates[chain][0], "tls.key": certificates[key][1]},
        ),
        st.sampled_from(NAMESPACES),
        kinds,
        kinds,
    )


def _changes(certificates: dict[str, tuple[bytes, bytes]]) -> st.SearchStrategy[list[tuple[str, Any]]]:
    facts = st.one_of(
        INGRESSES, INGRESSES, INGRESSES, SERVICE_FACTS, SLICES, CLASSES, CONFIGS, _secrets(certificates)
    )
    tell, step = st.tuples(st.just("tell"), facts), st.tuples(st.just("step"), st.integers(0, 5))
    remove = st.tuples(st.just("remove"), st.integers(0, 30))
    answers = st.sampled_from([None, (), ("10.1.1.1",), ("10.1.1.2", "127.0.0.1")])
    change = st.one_of(tell, tell, tell, remove, remove, step, step, st.tuples(st.just("dns"), answers))
    begin = st.lists(INGRESSES.map(lambda fact: ("tell", fact)), min_size=2, max_size=4)
    return st.tuples(begin, st.lists(change, min_size=4, max_size=30)).map(
        lambda parts: [*BASE, *parts[0], *parts[1]]
    )


BASE: list[tuple[str, Any]] = [
    *(
        ("tell", fact)
        for name in SERVICES
        for fact in (service(name), endpoint_slice(name, "10.0.0.1", name="s1"))
    ),
    ("step", 2),
]
"""What is there at the start, so that Ingress objects have something to lead to."""


class _History:
    """Objects that come and go, told to one translator all along, with steps cut short at any place."""

    def __init__(self, options: Options) -> None:
        self.translator = Translator(options)
        self.now: dict[Ref, Resource] = {}
        self.addresses: tuple[str, ...] | None = None
        self.pushed: dict[str, bytes] = {}
        self.findings: dict[Ref, tuple[Finding, ...]] = {}

    def change(self, what: str, value: Any) -> None:
        if what == "tell":
            self.now[value[0]] = value[1]
            self.translator.apply([value])
        elif what == "remove" and self.now:
            ref = sorted(self.now)[value % len(self.now)]
            del self.now[ref]
            self.translator.apply([(ref, None)])
        elif what == "dns":
            self.addresses = value
            self.translator.apply_resolved("db.example", value)
        elif what == "step":
            self.step(value)

    def step(self, units: int) -> None:
        left = iter(range(units))
        work = self.translator.step(lambda: next(left, None) is not None)
        for key, entry in work.changes.items():
            if entry is None:
                del self.pushed[key]
            else:
                self.pushed[key] = entry
        assert set(work.causes) == set(work.changes)
        self.findings |= work.findings
        _assert_whole(self.pushed)


def _assert_whole(entries: dict[str, bytes]) -> None:
    """Routes name backends that are there, hosts routes, and TLS hosts certificates: after every step."""
    for key, value in entries.items():
        if key.startswith("o/"):
            continue
        entry = decode(key, value)
        if isinstance(entry, Route) and entry.backend:
            assert f"b/{entry.backend}" in entries, key
        if isinstance(entry, Host):
            for found in (*(one.route for one in entry.rules), *filter(None, [entry.fallback])):
                assert f"r/{found}" in entries, key


def _without_history(entries: dict[str, bytes]) -> dict[str, bytes]:
    """Take out the one thing that depends on what was before: the former profile of a route."""
    known = {}
    for key, value in entries.items():
        entry = None if key.startswith("o/") else decode(key, value)
        is_route = isinstance(entry, Route)
        known[key] = (
            encode(msgspec.structs.replace(entry, profile_before="")) if is_route and entry else value
        )
    return known


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_history_ends_where_a_fresh_start_does(
    data: st.DataObject, certificates: dict[str, tuple[bytes, bytes]]
) -> None:
    """After any changes, in any slices of work, entries, findings and names equal those of a fresh translator.

    The fresh one is given what a restart finds on disk: last good versions are the part of the past that counts.
    """
    _check(data.draw(_changes(certificates)))


def _check(changes: list[tuple[str, Any]]) -> None:
    history = _History(OPTIONS)
    for what, value in changes:
        history.change(what, value)
    while history.translator.pending:
        history.step(3)
    history.step(3)
    assert history.pushed == dict(history.translator.entries)
    fresh = World(options=OPTIONS, last_good=_last_good(history))
    fresh.translator.apply_resolved("db.example", history.addresses)
    fresh.tell([*sorted(history.now.items())])
    assert _without_history(history.pushed) == _without_history(dict(fresh.translator.entries))
    assert _comparable(history.findings) == _comparable(fresh.findings)
    assert history.translator.names == fresh.translator.names
    assert history.translator.profiles == fresh.translator.profiles
    assert history.translator.node == fresh.translator.node


# --- long histories in a small world ----------------------------------------------------------------------------------

_ASKED: list[dict[str, str]] = [
    {}, {}, {}, _CANARY, _CANARY, _CANARY | {"canary-weight": "50"}, {"use-regex": "true"}, {"rewrite-target": "/$2"},
    {"service-upstream": "true"}, {"proxy-body-size": "8m"}, {"proxy-body-size": "9m"}, {"auth-url": "x"},
    {"permanent-redirect": "a b"}, _STICKY, _STICKY | {"session-cookie-name": "other"}, {"load-balance": "ewma"},
]  # fmt: skip


def _random_ingress(dice: random.Random) -> Fact:
    host = dice.choice(["a.example", "a.example", "a.example", "b.example", ""])
    paths = [
        path(dice.choice(["/", "/", "/a", "/a(x"]), dice.choice(["one", "two"]), 80, "ImplementationSpecific")
        for _ in range(dice.choice([1, 1, 2]))
    ]
    rules = [rule(host, *paths)] if dice.random() < 0.9 else []
    if dice.random() < 0.3:
        rules.insert(0, rule("b.example", path("/", "one")))
    default = {"service": {"name": "two", "port": {"number": 80}}} if dice.random() < 0.25 else None
    hosts = dice.choice([["a.example"], ["b.example"], []])
    tls = [{"hosts": hosts, "secretName": "cert"}] if dice.random() < 0.4 else []
    return ingress(
        dice.choice(["i1", "i2", "i3", "i4"]), *rules, annotations=dice.choice(_ASKED), defaultBackend=default,
        created=dice.choice(["2020", "2021", "2022"]), tls=tls,
    )  # fmt: skip


def _random_fact(dice: random.Random, certificates: dict[str, tuple[bytes, bytes]]) -> Fact:
    kind = dice.choices(["ingress", "slice", "service", "secret", "config"], [10, 2, 2, 2, 1])[0]
    name = dice.choice(["one", "two"])
    if kind == "ingress":
        return _random_ingress(dice)
    if kind == "slice":
        return endpoint_slice(name, *dice.sample(["10.0.0.1", "10.0.0.2", "127.0.0.1"], dice.randint(0, 3)))
    if kind == "service":
        return service(name, clusterIP=dice.choice([None, "10.9.0.1"]))
    if kind == "config":
        return load(
            "ConfigMap",
            "config",
            "desk",
            data=dice.choice([{}, {"service-upstream": "true"}, {"keep-alive": "9"}]),
        )
    chain, key = (certificates[dice.choice(["a", "star", "star"])][part] for part in (0, 1))
    return load("Secret", "cert", "shop", data={"tls.crt": chain, "tls.key": key})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**64))
def test_long_histories_of_few_objects(seed: int, certificates: dict[str, tuple[bytes, bytes]]) -> None:
    """Four Ingress objects that fight for two hosts, with canaries, patterns and certificates, a hundred times over."""
    dice = random.Random(seed)
    changes: list[tuple[str, Any]] = list(BASE)
    for _ in range(100):
        what = dice.choices(["tell", "remove", "step"], [6, 2, 4])[0]
        if what == "tell":
            changes.append((what, _random_fact(dice, certificates)))
        else:
            changes.append((what, dice.randint(0, 9)))
    _check(changes)


def _comparable(findings: dict[Ref, tuple[Finding, ...]]) -> set[Finding]:
    """Leave out why a host has the default certificate: a bad Secret may have been good once, or not."""
    reasons = {"CertificateMissing", "CertificateMismatch"}
    return {finding for found in findings.values() for finding in found if finding.type not in reasons}


def _last_good(history: _History) -> dict[Ref, Resource]:
    """Give what a restart would find on disk."""
    return last_good_of(history.pushed)
