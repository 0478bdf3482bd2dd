"""Entries: the structs of the model, their keys, and their JSON form.

Field names are short on the wire because every worker keeps its own copy of what it serves; the names in Python are
the long ones.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from tidegate.model._profiles import Verify

LISTENER = "main"
"""The only listener so far: plain HTTP and HTTPS answer from the same hosts."""

BUCKET_RULES = 64
"""Rules a host may hold in its own entry; a host with more spreads them over buckets of about this many, so that one
edit writes a few KiB whatever the size of the host."""


class PathKind(StrEnum):
    """How a rule's path is compared when its host is not a regex host (on a regex host the kind is ignored)."""

    EXACT = "e"
    PREFIX = "p"


class Conditions(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a request must have besides host and path. All given parts must hold; names are lower case."""

    methods: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    grpc: bool = False
    """It is a gRPC call, by its content type (not grpc-web)."""


class Rule(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """One match of a host: a path, and the id of the route that it leads to.

    ``path`` starts with ``/``; on a regex host it is the pattern text, matched case-insensitively from the start of
    the normalized path. Rules with conditions stand before the unconditional rule of the same path.
    """

    kind: PathKind
    path: str
    route: str
    when: Conditions | None = None


class ClientTls(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a host asks of its clients' certificates. The handshake that shows them is the host's server profile."""

    verify: Verify = Verify.ON
    """Without `deny`: not ``off``."""
    subject: str = ""
    """Regular expression that the subject must match, beginning at one of its parts (``CN=…``); empty: any."""
    page: str = ""
    """Where clients without a good certificate are sent: a URL, or a path of the host; empty: they are answered 400."""
    forward: bool = False
    """True if the backend is sent the certificate itself."""
    deny: str = ""
    """If not empty: every request is answered 403, and this is why."""


class Host(msgspec.Struct, frozen=True, omit_defaults=True):
    """How requests for one host find their route. Key ``h/<listener>/<host>``.

    The host is an exact lower-case name, ``*.rest`` (exactly one label for the star), or ``_`` for any other.
    """

    rules: tuple[Rule, ...] = ()
    """All rules, unless ``buckets`` says otherwise."""
    regex: bool = False
    """True if every path of this host is a regular expression (reference g.2)."""
    buckets: int = msgspec.field(default=0, name="n")
    """Number of ``m/`` entries that hold the rules (a power of two), 0 if they stand in ``rules``. A rule stands in
    bucket ``crc32(path) % buckets``."""
    fallback: str = msgspec.field(default="", name="d")
    """Route id for paths that no rule matches; empty: the fallback of host ``_``, else 404."""
    guarded: bool = msgspec.field(default=False, name="x")
    """True if some paths are protected and others may not be: a request whose path can be read in two ways, to different
    rules, is then refused."""
    client: ClientTls | None = None
    """None: anybody may come in, and client certificates are not looked at."""


class Bucket(msgspec.Struct, frozen=True, omit_defaults=True):
    """Part of the rules of a host with many. Key ``m/<listener>/<host>/<number>``."""

    rules: tuple[Rule, ...] = ()


class Route(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happens to a matched request. Key ``r/<route id>``; the id is ``<namespace>/<ingress>/<8 hex digits>``."""

    namespace: str = msgspec.field(default="", name="ns")
    ingress: str = msgspec.field(default="", name="ing")
    service: str = msgspec.field(default="", name="svc")
    port: str = ""
    path: str = ""
    """The path as the Ingress wrote it."""
    backend: str = msgspec.field(default="", name="b")
    """Backend id; empty: the built-in default backend, which answers 404."""
    profile: str = msgspec.field(default="", name="p")
    """Id of the location profile; empty: the default one."""
    profile_before: str = msgspec.field(default="", name="q")
    """The profile to use by a worker of an older generation that does not know ``profile``."""
    certificate: str = msgspec.field(default="", name="c")
    """Id of the certificate that backends are shown; empty: none."""
    deny: str = ""
    """If not empty: every request is answered 503, and this is why (a protection that could not be understood)."""
    settings: dict[str, Any] = msgspec.field(default={}, name="o")
    """Overrides of the global settings, by data key."""


class Endpoint(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One address that serves a backend."""

    address: str
    """IPv4 or IPv6 address, without brackets."""
    port: int


class Canary(msgspec.Struct, frozen=True, omit_defaults=True):
    """An alternative backend and when a request goes there (reference g.11)."""

    backend: str = msgspec.field(name="b")
    weight: int = 0
    total: int = 100
    header: str = ""
    header_value: str = msgspec.field(default="", name="value")
    header_pattern: str = msgspec.field(default="", name="pattern")
    cookie: str = ""
    sticky: bool = True
    """Sessions that were begun at the canary stay there, by the primary's affinity."""


class HashBy(msgspec.Struct, frozen=True, omit_defaults=True):
    """What consistent hashing goes by."""

    key: tuple[str, ...]
    """Literal, variable name, literal, … (odd places are names of nginx variables)."""
    subset: int = 0
    """Endpoints in a subset, of which one is drawn; 0: a key has one endpoint."""


class Affinity(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sessions by cookie (reference a.7, g.12)."""

    name: str
    """Of the cookie."""
    mode: str = "balanced"
    """``balanced`` (the cookie's key has a place on a ring of endpoints) or ``persistent`` (the cookie names one)."""
    path: str = ""
    """Empty: the path of the route."""
    domain: str = ""
    expires: int | None = None
    """Seconds from now; with a value below 0 the browser drops the cookie."""
    max_age: int | None = None
    """Seconds."""
    samesite: str = ""
    """``None``, ``Lax`` or ``Strict``."""
    conditional_samesite_none: bool = msgspec.field(default=False, name="conditional")
    secure: bool = False
    """False: as the request came."""
    change_on_failure: bool = msgspec.field(default=False, name="change")


class HealthCheck(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a node asks of each endpoint, whether traffic comes or not. Times in seconds."""

    kind: str = "http"
    """``http``, ``tcp`` or ``grpc`` (grpc.health.v1)."""
    path: str = "/"
    host: str = ""
    """Of the Host header, or the authority; empty: the endpoint's address and port."""
    service: str = ""
    """That a gRPC server is asked about; empty: the server."""
    statuses: tuple[tuple[int, int], ...] = ((200, 399),)
    """Ranges, both ends included."""
    tls: bool = False
    """Over TLS; the certificate is not checked."""
    interval: float = 10
    timeout: float = 2
    """Not above the interval."""
    rise: int = 2
    """Successes in a row after which an endpoint is used again."""
    fall: int = 3
    """Failures in a row after which it is passed over."""


class Backend(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where requests are sent. Key ``b/<namespace>/<service>/<port>``."""

    endpoints: tuple[Endpoint, ...] = msgspec.field(default=(), name="e")
    """Sorted by address and port, each once."""
    draining: tuple[Endpoint, ...] = msgspec.field(default=(), name="d")
    """Endpoints that end soon: they keep the sessions that they have."""
    algorithm: str = msgspec.field(default="", name="alg")
    """``round_robin``, ``ewma``, ``least_pending`` or ``hash``; empty: as the global settings say."""
    hash_by: HashBy | None = msgspec.field(default=None, name="hash")
    affinity: Affinity | None = None
    """Goes before the algorithm, which is then not used."""
    canary: Canary | None = None
    check: HealthCheck | None = None
    """None: endpoints are judged by the traffic alone."""


class TlsHost(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which certificate answers for a server name. Key ``t/<host>``; the host counts as TLS by having this entry."""

    certificate: str = msgspec.field(default="", name="c")
    """Certificate id; empty: the default certificate."""
    others: tuple[str, ...] = msgspec.field(default=(), name="x")
    """Ids of certificates with other kinds of keys, for clients that can do better (or not so well)."""


class Certificate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A certificate chain with its key. Key ``c/<namespace>/<secret>``; ``c/_default`` is ``--default-ssl-certificate``."""

    chain: str = msgspec.field(name="crt")
    """PEM, leaf first."""
    key: str
    """PEM, unencrypted."""
    names: tuple[str, ...] = ()
    kind: str = ""
    """Kind of the key: ``rsa``, ``ec``, ``ed25519`` or ``ed448``."""
    not_before: int = msgspec.field(default=0, name="nb")
    """Unix seconds."""
    not_after: int = msgspec.field(default=0, name="na")
    """Unix seconds."""
    fingerprint: str = msgspec.field(default="", name="fp")
    """SHA-256 of the leaf, lower-case hex."""

    def __repr__(self) -> str:
        """Say which certificate this is, never its key."""
        return f"Certificate({self.fingerprint[:16]}, names={self.names})"


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where connections go as they are: of a TCP or UDP service, or of a host whose TLS is passed through.

    Keys ``p/tcp/<port>``, ``p/udp/<port>``, ``p/sni/<host>``.
    """

    namespace: str = msgspec.field(default="", name="ns")
    service: str = msgspec.field(default="", name="svc")
    port: str = ""
    """Of the Service."""
    endpoints: tuple[Endpoint, ...] = msgspec.field(default=(), name="e")
    """Sorted by address and port, each once; without any, connections are closed at once."""


class Settings(msgspec.Struct, frozen=True, omit_defaults=True):
    """Effective global settings. Key ``g``."""

    values: dict[str, Any] = msgspec.field(default={}, name="v")
    """Every data setting by its data key: the ConfigMap's value, else the built-in one."""
    explicit: tuple[str, ...] = msgspec.field(default=(), name="set")
    """Data keys whose value the ConfigMap gave."""


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """A fact about the node. Key ``s/ready``: everything that the source held at the start is in force."""

    value: bool = False


Entry = Settings | Host | Bucket | Route | Backend | TlsHost | Certificate | Target | State

_KINDS: dict[str, type[Entry]] = {
    "g": Settings,
    "h": Host,
    "m": Bucket,
    "r": Route,
    "b": Backend,
    "t": TlsHost,
    "c": Certificate,
    "p": Target,
    "s": State,
}
_DECODERS: dict[str, msgspec.json.Decoder[Entry]] = {k: msgspec.json.Decoder(t) for k, t in _KINDS.items()}
_ENCODER = msgspec.json.Encoder(order="deterministic")


def encode(entry: Entry) -> bytes:
    """Give the JSON form of an entry; equal entries give equal bytes."""
    return _ENCODER.encode(entry)


def decode(key: str, value: bytes) -> Entry:
    """Give the entry written under ``key``.

    Raises ``KeyError`` for a key of no known kind (or one that is not for nginx) and ``msgspec.ValidationError`` for
    bytes that are not such an entry.
    """
    return _DECODERS[key.partition("/")[0]].decode(value)


def is_for_nginx(key: str) -> bool:
    """Tell whether an entry is sent to nginx (``o/`` entries are only kept on disk)."""
    return not key.startswith("o/")
