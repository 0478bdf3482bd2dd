"""The policy: what the ConfigMap decides about the interpretation of Ingress objects."""

from __future__ import annotations

import msgspec

from tidegate.translate.interpret.declarations import Risk


class Policy(msgspec.Struct, frozen=True):
    """Another policy means that every Ingress is interpreted anew."""

    risk_level: Risk = Risk.HIGH
    forbidden_words: tuple[str, ...] = ()
    """No annotation value may contain one (``annotation-value-word-blocklist``)."""
    strict_paths: bool = True
    service_upstream: bool = False
    cross_namespace: bool = False
    """Annotations may name Secrets and ConfigMaps of other namespaces (``allow-cross-namespace-resources``)."""
    custom_errors: tuple[int, ...] = ()
    """Statuses for which the default backend has pages (``custom-http-errors``)."""
    passes_errors: bool = False
    """Whether errors that backends answer pass all the same (``disable-proxy-intercept-errors``)."""
    deny: str = ""
    """If not empty: every route answers 503, because the ConfigMap asks for a protection that is not there."""
