"""What goes into a decision and what comes out: plain values, no behavior beyond reading them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from tidegate import model


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it reaches the gateway."""

    scheme: str = "http"
    """Of the connection: ``http`` or ``https``."""
    method: str = "GET"
    host: str = ""
    """The Host header, with its port if it has one."""
    uri: str = "/"
    """The request target as sent: path and query, encoded."""
    headers: Mapping[str, str] = {}
    """Other headers, names in lower case."""
    remote_address: str = "127.0.0.1"
    """Of the client, after the rules for forwarded addresses."""
    verified: str = "SUCCESS"
    """What the handshake found out about the client's certificate (``SUCCESS``, ``NONE``, ``FAILED:…``); asked for by few
    hosts, and taken to be good if nobody says otherwise. The certificate's subject is taken to match."""


class Answer(StrEnum):
    """Who answers, and with what."""

    BACKEND = "backend"
    """The request is sent on; the backend decides the status."""
    REDIRECT = "redirect"
    """The gateway answers with a Location header."""
    STATUS = "status"
    """The gateway answers with a status alone."""
    ERROR_PAGE = "error page"
    """The gateway's answer is a status, and the default backend is asked for what the client gets instead."""
    PASSTHROUGH = "passthrough"
    """The TLS connection goes to a backend as it is; the gateway sees no request."""


class Step(msgspec.Struct, frozen=True):
    """One thing that was looked at on the way to a decision."""

    stage: str
    """``tls``, ``uri``, ``host``, ``rule``, ``deny``, ``redirect``, ``https``, ``endpoints``, ``allow``, ``canary``,
    ``rewrite``, ``balancer`` or ``errors``."""
    said: str
    """What came of it, in words for people."""
    decisive: bool = False
    """True for what settled the stage; false for what was looked at and left aside."""


class Origin(StrEnum):
    """Where the value of a setting comes from."""

    ANNOTATION = "annotation"
    CONFIGMAP = "ConfigMap"
    BUILT_IN = "built-in"


class Setting(msgspec.Struct, frozen=True):
    """A setting in effect for a route."""

    key: str
    value: Any
    origin: Origin


class CanaryChoice(msgspec.Struct, frozen=True):
    """What the canary beside a backend means for one request."""

    backend: str
    probability: float
    """1: always the canary, 0: never; between: by chance."""
    reason: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway does with a request, and why."""

    answer: Answer
    status: int = 0
    """Of the gateway's own answer; 0 if a backend answers."""
    grpc_status: int | None = None
    """What a gRPC call gets in the place of ``status`` or ``location``; None for other requests."""
    location: str = ""
    """Where a redirect leads."""
    host: str = ""
    """The host entry that was used: a name, ``*.rest`` or ``_``; empty if none."""
    rule: model.Rule | None = None
    """The rule that matched; None if the route is a fallback."""
    rule_kind: str = ""
    """How it was compared: Exact, Prefix or Regex."""
    route_id: str = ""
    route: model.Route | None = None
    uri: str = ""
    """nginx's `$uri`: what rules are compared with."""
    captures: tuple[str, ...] = ()
    """Of the matched path, from `$1` on."""
    backend: str = ""
    """Id of the backend that gets the request; with a canary by chance, the primary."""
    endpoints: tuple[model.Endpoint, ...] = ()
    """Those that may get the request; a session may leave one."""
    algorithm: str = ""
    """How one of them is chosen; ``sticky_balanced`` and ``sticky_persistent`` go by session."""
    canary: CanaryChoice | None = None
    upstream_uri: str = ""
    """The request target as the backend gets it."""
    upstream_host: str = ""
    """The Host header as the backend gets it."""
    settings: tuple[Setting, ...] = ()
    trail: tuple[Step, ...] = ()


class Entries(Mapping[str, model.Entry]):
    """Entries in their wire form, decoded when first asked for. Keys that are not for nginx are skipped."""

    def __init__(self, raw: Mapping[str, bytes]) -> None:
        self._raw = {key: value for key, value in raw.items() if model.is_for_nginx(key)}
        self._decoded: dict[str, model.Entry] = {}

    def __getitem__(self, key: str) -> model.Entry:
        """Give the entry under a key. Raises ``KeyError`` if there is none."""
        if key not in self._decoded:
            self._decoded[key] = model.decode(key, self._raw[key])
        return self._decoded[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)
