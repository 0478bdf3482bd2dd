"""Handshakes: what each host asks of its clients, and the server profiles that come of it."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.guard import Unacceptable
from tidegate.kube.objects import Ref, Secret
from tidegate.model import Cause, ServerProfile
from tidegate.translate.interpret import authorities
from tidegate.translate.interpret.authorities import Authorities
from tidegate.translate.merge.handshakes import Handshake, choose
from tidegate.translate.units.workshop import HANDSHAKE, Workshop


class Handshakes:
    """Decides about client certificates and ciphers, host by host."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._by_host: dict[str, Handshake] = {}
        self._readings: dict[Ref, tuple[Secret, Authorities | Unacceptable]] = {}
        self.changed = False
        """True if profiles or documents differ from when this was last set to False."""

    @property
    def profiles(self) -> Mapping[str, ServerProfile]:
        """All server profiles, by id."""
        found = (handshake.profile for handshake in self._by_host.values())
        return {profile.id: profile for profile in found if profile is not None}

    @property
    def documents(self) -> Mapping[str, str]:
        """All documents that the profiles name."""
        return {
            name: text for handshake in self._by_host.values() for name, text in handshake.documents.items()
        }

    def choose(self, host: str, cause: Cause) -> None:
        """Decide about a host anew."""
        shop = self._shop
        unit = Ref(HANDSHAKE, "", host)
        shop.due[HANDSHAKE].pop(unit, None)
        state = shop.merger.hosts.get(host)
        asking = (
            sorted(state.asking.members, key=state.asking.members.__getitem__)
            if state and state.asking
            else []
        )
        before = self._by_host.get(host, Handshake())
        if not asking and before == Handshake():
            return
        view = shop.view()

        def lookup(ref: Ref) -> Authorities | None:
            return self._read(ref, view.secret(ref.namespace, ref.name))

        handshake = choose(host, [shop.merger.contributions[ref] for ref in asking], lookup)
        shop.readers.set(unit, view.seen)
        shop.ledger.put(unit, handshake.notes)
        self._put(host, handshake)
        self.changed |= (before.profile, before.documents) != (handshake.profile, handshake.documents)
        if state is not None and state.client != handshake.client:
            state.client = handshake.client
            state.emit(shop.emission, cause)

    def _put(self, host: str, handshake: Handshake) -> None:
        if handshake == Handshake():
            self._by_host.pop(host, None)
            self._shop.readers.drop(Ref(HANDSHAKE, "", host))
        else:
            self._by_host[host] = handshake

    def _read(self, ref: Ref, secret: Secret | None) -> Authorities | None:
        """Read a Secret, once for all hosts that name it."""
        if secret is None:
            self._readings.pop(ref, None)
            return None
        known = self._readings.get(ref)
        if known is None or known[0] is not secret:
            known = self._readings[ref] = (secret, _outcome(secret))
        if isinstance(known[1], Unacceptable):
            raise known[1]
        return known[1]


def _outcome(secret: Secret) -> Authorities | Unacceptable:
    try:
        return authorities.read(secret)
    except Unacceptable as refusal:
        return refusal
