"""TLS towards the backend (reference a.2, ``proxy-ssl-*``); put together in ``interpret/backend_tls.py``."""

from __future__ import annotations

import re
from typing import Final

from tidegate.guard import Unacceptable, names, values
from tidegate.guard.values import Type
from tidegate.translate.interpret.declarations import Annotation, Invalid, Part, Risk, Scope

PREFIX: Final = "proxy-ssl-"

PROTOCOLS: Final = ("TLSv1.2", "TLSv1.3")

_PROTOCOLS_ACCEPTED: Final = f"a space-separated list of {', '.join(PROTOCOLS)}"
_CIPHERS: Final = re.compile(r"[A-Za-z0-9+:_!-]{1,4096}", re.ASCII)
_CIPHERS_ACCEPTED: Final = "an OpenSSL cipher list of letters, digits and + : _ - !"


def _protocols(text: str) -> str:
    asked = set(text.split())
    if not asked or not asked <= set(PROTOCOLS):
        raise Unacceptable(_PROTOCOLS_ACCEPTED)
    return " ".join(protocol for protocol in PROTOCOLS if protocol in asked)


def _ciphers(text: str) -> str:
    if not _CIPHERS.fullmatch(text.strip()):
        raise Unacceptable(_CIPHERS_ACCEPTED)
    return text.strip()


ANNOTATIONS: Final = (
    Annotation(
        "proxy-ssl-secret",
        Type("BASIC", "namespace/name of a Secret in the namespace of the Ingress", names.qualified),
        Part("ssl_secret"),
        "Secret with the certificate that the backend is shown (tls.crt, tls.key) and the authorities that its own is "
        "checked against (ca.crt), as namespace/name.",
        risk=Risk.MEDIUM,
        scope=Scope.INGRESS,
        invalid=Invalid.DROP,
    ),
    Annotation(
        "proxy-ssl-verify",
        values.ONOFF,
        Part("ssl_verify"),
        "Whether the backend's certificate is checked; proxy-ssl-secret has to name the authorities.",
        scope=Scope.INGRESS,
        invalid=Invalid.DENY,
        default="off",
    ),
    Annotation(
        "proxy-ssl-verify-depth",
        values.integer(0, 100),
        Part("ssl_verify_depth"),
        "Certificates between the backend's and the authority's.",
        scope=Scope.INGRESS,
        default="1",
    ),
    Annotation(
        "proxy-ssl-ciphers",
        Type("CIPHERS", _CIPHERS_ACCEPTED, _ciphers),
        Part("ssl_ciphers"),
        "Ciphers on offer to the backend, up to TLS 1.2.",
        risk=Risk.MEDIUM,
        scope=Scope.INGRESS,
        default="DEFAULT",
    ),
    Annotation(
        "proxy-ssl-protocols",
        Type("ENUMS", _PROTOCOLS_ACCEPTED, _protocols),
        Part("ssl_protocols"),
        "Versions of TLS on offer to the backend.",
        scope=Scope.INGRESS,
        default="TLSv1.2 TLSv1.3",
    ),
    Annotation(
        "proxy-ssl-name",
        Type("RX", "a DNS name such as db.example.com", names.dns_name),
        Part("ssl_name"),
        "Name that the backend's certificate has to be for, and that it is told by proxy-ssl-server-name.",
        risk=Risk.HIGH,
        scope=Scope.INGRESS,
        default="<service>.<namespace>.svc",
    ),
    Annotation(
        "proxy-ssl-server-name",
        values.ONOFF,
        Part("ssl_server_name"),
        "Whether the backend is told the name (SNI).",
        scope=Scope.INGRESS,
        default="off",
    ),
)
