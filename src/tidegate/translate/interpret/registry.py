"""The registry: every annotation that is declared, by name. The reference page and the linter are made from it."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable
from typing import Final

from tidegate.translate.interpret import known
from tidegate.translate.interpret.declarations import Annotation, Data, InProfile
from tidegate.translate.interpret.drafts import Draft
from tidegate.translate.interpret.families import (
    access,
    answers,
    backend_tls,
    balancing,
    bodies,
    canaries,
    client_tls,
    errors,
    health,
    https,
    logs,
    passthrough,
    protocols,
    redirects,
    retries,
    rewrites,
    timeouts,
    tracing,
    upstreams,
)

ANNOTATIONS: Final[tuple[Annotation, ...]] = (
    *https.ANNOTATIONS,
    *passthrough.ANNOTATIONS,
    *redirects.ANNOTATIONS,
    *rewrites.ANNOTATIONS,
    *upstreams.ANNOTATIONS,
    *protocols.ANNOTATIONS,
    *balancing.ANNOTATIONS,
    *backend_tls.ANNOTATIONS,
    *timeouts.ANNOTATIONS,
    *retries.ANNOTATIONS,
    *bodies.ANNOTATIONS,
    *answers.ANNOTATIONS,
    *access.ANNOTATIONS,
    *errors.ANNOTATIONS,
    *canaries.ANNOTATIONS,
    *client_tls.ANNOTATIONS,
    *logs.ANNOTATIONS,
    *tracing.ANNOTATIONS,
)
"""All declared annotations, family by family."""

OWN: Final[tuple[Annotation, ...]] = (*health.ANNOTATIONS,)
"""Those that the predecessor does not have."""

COMPLETIONS: Final[tuple[Callable[[Draft, Callable[[str, str, str], None]], None], ...]] = (
    redirects.complete,
    rewrites.complete,
    upstreams.complete,
    protocols.complete,
    bodies.complete,
    answers.complete,
    balancing.complete,
    health.complete,
    passthrough.complete,
    canaries.complete,
    errors.complete,
    client_tls.complete,
)

BY_NAME: Final = {annotation.name: annotation for annotation in ANNOTATIONS}
"""Declarations by name, aliases left out."""

OWN_BY_NAME: Final = {annotation.name: annotation for annotation in OWN}
"""Our own declarations by name."""

CANONICAL: Final = {alias: annotation.name for annotation in ANNOTATIONS for alias in annotation.aliases}
"""Names by alias."""

DATA_KEYS: Final = frozenset(a.target.key for a in ANNOTATIONS if isinstance(a.target, Data)) | {
    "affinity",
    "default_backend",
    "forwarded_prefix",
    "redirect",
    "rewrite_target",
    "upstream_vhost",
    "backend_tls",
    "answers",
    "script_params",
}
"""Keys that may stand in ``Route.settings``."""

PROFILE_KEYS: Final = frozenset(a.target.key for a in ANNOTATIONS if isinstance(a.target, InProfile)) | {
    "intercept"
}
"""Keys that may stand in a location profile."""

NOT_FOR_CATCH_ALL: Final = frozenset(
    a.target.key for a in https.ANNOTATIONS if isinstance(a.target, Data)
) | {
    "app_root",
    "forwarded_prefix",
    "redirect",
    "rewrite_target",
}
"""Data keys that do not hold for the backend of an Ingress without rules (reference g.5)."""


def supported() -> frozenset[str]:
    """Give the names of all declared annotations."""
    return frozenset(BY_NAME)


def unsupported() -> frozenset[str]:
    """Give the names of all annotations that are known and not declared."""
    return known.all_names() - supported()


@functools.lru_cache(maxsize=1024)
def nearest(name: str) -> str:
    """Give the known annotation whose name is most like this one, or an empty text."""
    return _nearest(name, sorted(known.all_names()))


@functools.lru_cache(maxsize=1024)
def nearest_own(name: str) -> str:
    """Give the annotation of our own whose name is most like this one, or an empty text."""
    return _nearest(name, sorted(OWN_BY_NAME))


def _nearest(name: str, candidates: list[str]) -> str:
    return next(iter(difflib.get_close_matches(name, candidates, n=1, cutoff=0.75)), "")
