"""The neutral model: what the gateway must do, said without Kubernetes and without nginx.

The model is a flat map of *entries*. An entry is the unit of change, of pushing and of persistence: small, separate,
named by a key, and written as JSON. One struct here is both the model object and its wire form; the Lua side decodes
an entry when a request first asks for it.

    g                         Settings   effective global settings
    h/<listener>/<host>       Host       how one host is matched
    m/<listener>/<host>/<n>   Bucket     one part of the rules of a host that has many
    r/<route id>              Route      what happens to a matched request: names and overrides only
    b/<backend id>            Backend    endpoints, and a canary beside them
    t/<host>                  TlsHost    which certificate answers for a server name
    c/<certificate id>        Certificate
    p/tcp/<port>              Target     where connections of a TCP service go; p/udp/<port> and p/sni/<host> alike
    o/<kind>/<ns>/<name>      (raw JSON) last good version of an object; kept on disk, never sent to nginx
    s/<name>                  State      facts about the node itself (ready)

This room imports nothing from other rooms.
"""

from tidegate.model._deltas import Cause, Delta
from tidegate.model._entries import (
    BUCKET_RULES,
    LISTENER,
    Affinity,
    Backend,
    Bucket,
    Canary,
    Certificate,
    ClientTls,
    Conditions,
    Endpoint,
    Entry,
    HashBy,
    HealthCheck,
    Host,
    PathKind,
    Route,
    Rule,
    Settings,
    State,
    Target,
    TlsHost,
    decode,
    encode,
    is_for_nginx,
)
from tidegate.model._node import NodeSettings, StreamPort
from tidegate.model._profiles import Profile, ServerProfile, Verify

__all__ = [
    "BUCKET_RULES",
    "LISTENER",
    "Affinity",
    "Backend",
    "Bucket",
    "Canary",
    "Cause",
    "Certificate",
    "ClientTls",
    "Conditions",
    "Delta",
    "Endpoint",
    "Entry",
    "HashBy",
    "HealthCheck",
    "Host",
    "NodeSettings",
    "PathKind",
    "Profile",
    "Route",
    "Rule",
    "ServerProfile",
    "Settings",
    "State",
    "StreamPort",
    "Target",
    "TlsHost",
    "Verify",
    "decode",
    "encode",
    "is_for_nginx",
]
