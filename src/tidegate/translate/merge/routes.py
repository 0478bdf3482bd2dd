"""Routes: the entry of a claim that won, and which location profiles are in use."""

from __future__ import annotations

from typing import Any

from tidegate.model import Cause, Profile, Route
from tidegate.translate.interpret.backend_tls import BackendTls
from tidegate.translate.interpret.contributions import FALLBACK, Claim, Contribution
from tidegate.translate.interpret.families import protocols, templates
from tidegate.translate.interpret.registry import NOT_FOR_CATCH_ALL
from tidegate.translate.merge.emission import Emission
from tidegate.translate.merge.identities import Identities


def settings_of(contribution: Contribution, claim: Claim) -> dict[str, Any]:
    """Give the overrides of one route: what its Ingress says, with what depends on the path filled in."""
    shared = contribution.shared
    settings = dict(shared.settings)
    if shared.rewrite and shared.rewrite != claim.path:
        settings["rewrite_target"] = shared.rewrite
    if shared.vhost:
        settings["upstream_vhost"] = templates.fill_in(shared.vhost, _known_variables(claim))
    if claim.slot == ("_", FALLBACK):
        return {key: value for key, value in settings.items() if key not in NOT_FOR_CATCH_ALL}
    return settings


def profile_of(contribution: Contribution, claim: Claim, protocol: str) -> Profile:
    """Give the location profile of a route: what its Ingress says, with the protocol of its backend."""
    shared = contribution.shared
    if protocol in {"", protocols.HTTP}:
        return shared.profile
    more: dict[str, int | bool | str] = {"protocol": protocol}
    if shared.backend_tls and protocol in protocols.OVER_TLS:
        more |= shared.backend_tls.profile(_tls_name(shared.backend_tls, claim))
    return Profile(tuple(sorted((*shared.profile.values, *more.items()))))


def _tls_name(tls: BackendTls, claim: Claim) -> str:
    return tls.name_for(claim.service, claim.backend.partition("/")[0])


def _secured(contribution: Contribution, claim: Claim, profile: Profile) -> dict[str, str]:
    """Say which identity the profile of a route over TLS has to have, and the name that the backend is taken for."""
    found = {"id": str(dict(profile.values).get("ssl_identity", ""))}
    tls = contribution.shared.backend_tls
    if tls and (name := _tls_name(tls, claim)):
        found["name"] = name
    return found


def _known_variables(claim: Claim) -> dict[str, str]:
    return {
        "namespace": claim.ingress.namespace,
        "ingress_name": claim.ingress.name,
        "service_name": claim.service,
        "service_port": claim.port,
        "location_path": claim.path,
    }


class Routes:
    """Writes and deletes route entries; counts who uses which profile."""

    def __init__(self, emission: Emission) -> None:
        self.profiles: dict[str, Profile] = {}
        """Profiles in use, by id; the default one is not among them."""
        self.profiles_changed = False
        self._emission = emission
        self._identities = Identities(emission)
        self._users: dict[str, int] = {}
        self._profile_of: dict[str, tuple[str, str]] = {}
        """Present and former profile of each route that has or had another than the default one."""

    def set(self, contribution: Contribution, claim: Claim, protocol: str, cause: Cause) -> None:
        """Write the route of a claim that won; its backend speaks ``protocol``."""
        shared = contribution.shared
        profile = profile_of(contribution, claim, protocol)
        settings = settings_of(contribution, claim)
        tls = shared.backend_tls if protocol in protocols.OVER_TLS else None
        if protocol in protocols.OVER_TLS:
            settings["backend_tls"] = _secured(contribution, claim, profile)
        before = self._use(claim.route, profile)
        ref = claim.ingress
        route = Route(
            namespace=ref.namespace,
            # What flags ask for comes from no Ingress.
            ingress=ref.name if contribution.source else "",
            service=claim.service,
            port=claim.port,
            path=claim.path,
            backend=claim.backend,
            profile=profile.id,
            profile_before=before,
            certificate=self._shown(claim.route, tls, cause),
            deny=shared.deny or (tls.fault if tls else ""),
            settings=settings,
        )
        self._emission.set(f"r/{claim.route}", route, cause)

    def _shown(self, route: str, tls: BackendTls | None, cause: Cause) -> str:
        secret, certificate = (tls.secret, tls.certificate) if tls else ("", None)
        return self._identities.use(route, secret, certificate, cause)

    def delete(self, route: str, cause: Cause) -> None:
        """Delete a route."""
        self._use(route, Profile(()))
        self._identities.use(route, "", None, cause)
        self._profile_of.pop(route, None)
        self._emission.delete(f"r/{route}", cause)

    def _use(self, route: str, profile: Profile) -> str:
        """Count a route under its profile; give the profile that it had before this one, the default one if none."""
        present, former = self._profile_of.get(route, ("", ""))
        name = profile.id
        if name == present:
            return former
        self._count(present, -1)
        if name and self._count(name, 1):
            self.profiles[name] = profile
        self._profile_of[route] = (name, present)
        return present

    def _count(self, name: str, change: int) -> bool:
        """Change the number of users; tell whether the profile is new."""
        if not name:
            return False
        users = self._users.get(name, 0) + change
        is_new = change > 0 and users == 1
        if users:
            self._users[name] = users
        else:
            del self._users[name]
            del self.profiles[name]
        self.profiles_changed |= is_new or not users
        return is_new
