"""``--default-backend-service``: what answers when nothing else does (reference g.5)."""

from __future__ import annotations

from tidegate.guard import Unacceptable, names
from tidegate.kube.objects import Ref
from tidegate.model import Profile
from tidegate.store import View
from tidegate.translate._options import Options
from tidegate.translate.interpret.claims import Backing, route_id, stand_in
from tidegate.translate.interpret.contributions import FALLBACK, LAST, Claim, Contribution, Shared
from tidegate.translate.interpret.drafts import Balancing
from tidegate.translate.interpret.endpoints import resolve

_SHARED = Shared(
    order=LAST,
    settings={},
    profile=Profile(()),
    deny="",
    use_regex=False,
    rewrite="",
    vhost=(),
    service_upstream=False,
    protocol="",
    balancing=Balancing(),
    backend_tls=None,
    canary=None,
    tls=(),
)


def default_backing(view: View, options: Options) -> Backing:
    """Give the default backend: the first port of the Service, or the built-in one if that has no endpoints."""
    try:
        namespace, name = names.qualified(options.default_backend_service)
    except Unacceptable:
        return Backing()
    service = view.service(namespace, name)
    ports = (service.spec.ports if service and service.spec else None) or ()
    if not ports:
        return Backing()
    port = str(ports[0].port)
    resolved = resolve(view, namespace, name, port, options, by_cluster_ip=False)
    return Backing(name, port, f"{namespace}/{name}/{port}") if resolved.endpoints else Backing()


def default_contribution(view: View, options: Options) -> Contribution | None:
    """Give the claim of the default backend to all that no host takes; it goes after every Ingress.

    Without endpoints it claims nothing, and only stands ready for error pages.
    """
    try:
        namespace, name = names.qualified(options.default_backend_service)
    except Unacceptable:
        return None
    ref, backing = owner(namespace), default_backing(view, options)
    ready = stand_in(ref, name)
    if not backing.backend:
        return Contribution(ref, None, _SHARED, {}, frozenset(), stand_in=ready)
    claim = Claim(
        ref, "_", FALLBACK, backing.service, backing.port, backing.backend, route_id(ref, "_", FALLBACK)
    )
    return Contribution(ref, None, _SHARED, {claim.slot: claim}, frozenset(), stand_in=ready)


def owner(namespace: str) -> Ref:
    """Name who claims in the place of an Ingress. No object can have this name: its route ids are its own."""
    return Ref("Flag", namespace, "_default")
