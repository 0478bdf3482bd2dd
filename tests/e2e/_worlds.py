"""Random folders of manifests and random requests to them, the same for the same seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from random import Random
from typing import Any

from harness import manifests
from harness.backends import Backend
from harness.certs import Authority
from harness.manifests import Manifest, path, rule
from harness.services import Services
from tidegate.translate.explain import Request

HOSTS = (
    "a.one.example",
    "b.one.example",
    "deep.a.one.example",
    "two.example",
    "*.one.example",
    "*.two.example",
)
ASKED = (
    *HOSTS[:4], "c.one.example", "x.two.example", "nobody.example", "A.One.Example", "a.one.example.", "two.example:81",
)  # fmt: skip
PLAIN = (
    "/", "/a", "/a/", "/a/b", "/a/b/", "/A", "/ab", "/a.b", "/a/b/c", "/a//b", "/a b", "/%61", "/.well-known/acme-challenge",
)  # fmt: skip
PATTERNS = (
    "/a(/|$)(.*)", "/[a-c]+/(.*)", "/a.b", "/v(\\d+)/(.*)", "/(a|b)/(?<rest>.*)", "/a/?(.*)", "/a$", "/b", "/(.+)",
)  # fmt: skip
TARGETS = ("/$1", "/new/$2", "/fixed", "$2", "/$1/$2/$3", "/x/$rest", "/a")
PIECES = (
    "a", "b", "A", "ab", "a.b", "c", "v12", "", ".", "..", "%61", "a%2Fb", "%2e%2e", "a%20b", "a%3Fb", "%C3%A4", "a+b",
    "$1", "a;b", "~", ".well-known", "acme-challenge", "%zz", "%00", "a%25b",
    "..;", ";p", "a;", "%5c..", "%252e%252e", "%2f", "x" * 40,
)  # fmt: skip
QUERIES = ("", "", "", "?", "?x=1", "?x=%20&y=/../", "?a=/", "?a#b")
HEADERS = (
    ("X-Canary", "always"), ("X-Canary", "never"), ("X-Canary", "yes"), ("Cookie", "a=1; try=always"),
    ("Content-Type", "application/grpc"), ("Content-Type", "application/grpc-web"),
)  # fmt: skip


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@dataclass
class World:
    """One folder of manifests."""

    seed: int
    services: Services
    authority: Authority
    random: Random = field(init=False)
    instances: dict[str, list[Backend]] = field(default_factory=dict)
    """By Service."""
    _taken: list[dict[str, Any]] = field(default_factory=list)
    """Rules that canaries may share."""

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def objects(self) -> list[Manifest]:
        """Give Services with and without endpoints, and Ingresses with all that the decision knows of."""
        made: list[Manifest] = []
        for name in ("s0", "s1", "s2"):
            self.instances[name] = self.services.start(name, 2)
            made += self.services.of(name, self.instances[name])
        made.append(manifests.service("empty", namespace=self.services.namespace))
        made += [self._ingress(n) for n in range(self.random.randint(4, 9))]
        if self.random.random() < 0.5:
            made.append(self.services.ingress("default", default=("s2", 80)))
        made += self._secrets()
        return made

    def request(self) -> Request:
        """Give a request."""
        pieces = [
            self.random.choice(PIECES if self.random.random() < 0.6 else PIECES[:7])
            for _ in range(self.random.choice((0, 1, 1, 2, 2, 3, 4)))
        ]
        headers = dict([self.random.choice(HEADERS)]) if self.random.random() < 0.3 else {}
        if self.random.random() < 0.2:
            headers["Cookie"] = self._session()
        return Request(
            scheme=self.random.choice(("http", "http", "https")),
            method=self.random.choice(("GET", "POST", "DELETE")),
            host=self.random.choice(ASKED),
            uri="/" + "/".join(pieces) + self.random.choice(QUERIES),
            headers={name.lower(): value for name, value in headers.items()},
        )

    # --- parts ----------------------------------------------------------------------------------------------

    def _ingress(self, number: int) -> Manifest:
        regex = self.random.random() < 0.35
        annotations = self._annotations(regex=regex)
        rules = [self._rule(regex=regex) for _ in range(self.random.randint(1, 3))]
        if self._taken and self.random.random() < 0.3:
            annotations, rules = self._canary(), self._shares()
            annotations |= {"affinity-canary-behavior": "legacy"} if self.random.random() < 0.3 else {}
        else:
            self._taken += [r for r in rules if "http" in r]
        options: dict[str, Any] = {"annotations": annotations, "created": f"2026-01-01T00:00:0{number}Z"}
        if self.random.random() < 0.4:
            hosts = [r["host"] for r in rules if "host" in r]
            options["tls"] = [(hosts, self.random.choice(("cert", "gone", None)))] if hosts else []
        return self.services.ingress(f"i{number}", *rules, **options)

    def _session(self) -> str:
        """Give a session cookie: of a balanced or a persistent session, at one backend or another."""
        service = self.random.choice(("s0", "s1", "s2", "empty"))
        backend = f"{self.services.namespace}/{service}/80"
        instance = self.random.choice(self.instances.get(service) or self.instances["s0"])
        key = self.random.choice(("k1", "k2", _md5(f"{backend}/{instance.address}:{instance.port}")))
        return f"{self.random.choice(('INGRESSCOOKIE', 'sid'))}={key}|{_md5(backend)}"

    def _rule(self, *, regex: bool) -> dict[str, Any]:
        host = self.random.choice((*HOSTS, HOSTS[0], None))
        if self.random.random() < 0.05:
            return rule(host or "empty.example")
        return rule(host, *(self._path(regex=regex) for _ in range(self.random.randint(1, 5))))

    def _shares(self) -> list[dict[str, Any]]:
        """Give some rules of others, led elsewhere."""
        shared = self.random.sample(self._taken, min(len(self._taken), 3))
        services = ("s1", "s2", "s2", "empty")
        return [
            rule(
                r.get("host"),
                *(
                    path(p["path"], self.random.choice(services), kind=p.get("pathType"))
                    for p in r["http"]["paths"]
                ),
            )
            for r in shared
        ]

    def _path(self, *, regex: bool) -> dict[str, Any]:
        at = self.random.choice(PATTERNS if regex else PLAIN)
        kind = "ImplementationSpecific" if regex else self.random.choice(("Exact", "Prefix", "Prefix", None))
        service = self.random.choice(("s0", "s1", "s2", "s0", "s1", "empty", "missing"))
        return path(at, service, kind=kind)

    def _annotations(self, *, regex: bool) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, choices in (
            ("ssl-redirect", ("false", "true")),
            ("force-ssl-redirect", ("true",)),
            ("preserve-trailing-slash", ("true",)),
            ("use-port-in-redirects", ("true",)),
            ("temporal-redirect", ("https://t.example/", "/no")),
            ("app-root", ("/app", "app")),
            ("relative-redirects", ("true",)),
            ("permanent-redirect", ("https://other.example/x",)),
            ("permanent-redirect-code", ("308", "200")),
            ("upstream-vhost", ("inside.example",)),
            ("allowlist-source-range", ("127.0.0.0/8", "10.0.0.0/8,::1", "nonsense")),
            ("default-backend", ("s1", "s2", "empty", "missing")),
            ("proxy-body-size", ("8m", "0")),
            ("proxy-buffering", ("on",)),
            ("proxy-read-timeout", ("7",)),
            ("load-balance", ("ewma", "least_pending", "round_robin")),
            ("upstream-hash-by", ("$request_uri", "$http_x_canary")),
            ("affinity", ("cookie",)),
            ("affinity-mode", ("persistent",)),
            ("session-cookie-name", ("sid",)),
        ):
            if self.random.random() < (0.2 if name == "allowlist-source-range" else 0.07):
                found[name] = self.random.choice(choices)
        if self.random.random() < 0.3:
            # Only the gateway's own errors: which answers of backends are held back is no matter of data.
            found |= {
                "custom-http-errors": "403,503",
                "disable-proxy-intercept-errors": "true",
                "default-backend": self.random.choice(("s1", "s2", "s2", "empty")),
            }
            if self.random.random() < 0.5:
                found["allowlist-source-range"] = "10.0.0.0/8"
        if regex:
            found["use-regex"] = "true"
            if self.random.random() < 0.6:
                found["rewrite-target"] = self.random.choice(TARGETS)
        return found

    def _canary(self) -> dict[str, object]:
        found: dict[str, object] = {"canary": "true"}
        match self.random.randrange(4):
            case 0:
                found["canary-weight"] = self.random.choice((0, 30, 100))
            case 1:
                found["canary-by-header"] = "X-Canary"
            case 2:
                found |= {"canary-by-header": "X-Canary", "canary-by-header-value": "yes"}
            case _:
                found["canary-by-cookie"] = "try"
        return found

    def _secrets(self) -> list[Manifest]:
        pair = self.authority.issue("a.one.example", "*.one.example", "two.example")
        return [manifests.tls_secret("cert", pair, namespace=self.services.namespace)]
