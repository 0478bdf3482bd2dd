"""Certificates: Secrets read, and one chosen for each host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tidegate.kube.objects import Ref, Resource
from tidegate.model import Cause, Certificate, TlsHost
from tidegate.translate.merge.secrets import Secrets
from tidegate.translate.merge.tls import choose
from tidegate.translate.units.workshop import CERTIFICATE, TLS, Workshop, qualified

_TIME: Final = Cause("the time", (), "changed")


class Certificates:
    """Reads Secrets and writes ``c/`` and ``t/`` entries."""

    def __init__(self, shop: Workshop, last_good: Mapping[Ref, Resource]) -> None:
        self._shop = shop
        self.default = qualified(shop.options.default_ssl_certificate, "Secret")
        self._secrets = Secrets(shop.emission, shop.ledger, self.default, last_good)
        self._chosen: dict[str, frozenset[Ref]] = {}

    def tell_time(self, now: float) -> None:
        """Take the present time; hosts whose certificate is another one now choose again."""
        for secret in self._secrets.tell_time(now, _TIME):
            self._shop.wake_readers((_unit(secret),), _TIME)

    def read(self, secret: Ref, cause: Cause) -> None:
        """Read a Secret anew; hosts that looked at it choose again if that can matter."""
        shop = self._shop
        view = shop.view()
        unit = _unit(secret)
        shop.due[CERTIFICATE].pop(unit, None)
        may_differ = self._secrets.read(secret, view, cause)
        shop.readers.set(unit, view.seen)
        if may_differ:
            shop.wake_readers((unit,), cause)

    def choose(self, host: str, cause: Cause) -> None:
        """Choose the certificate of a host."""
        shop = self._shop
        unit = Ref(TLS, "", host)
        shop.due[TLS].pop(unit, None)
        state = shop.merger.hosts.get(host)
        first = state.secured.first if state is not None and state.secured is not None else None
        if first is None:
            self._release(unit, cause)
            return
        looked: set[Ref] = set()

        def lookup(secret: Ref) -> Certificate | None:
            looked.add(_unit(secret))
            if secret not in self._secrets:
                self.read(secret, cause)
            return self._secrets.certificate(secret)

        choice = choose(host, shop.merger.contributions[first], lookup)
        self._look(unit, looked, cause)
        self._use(host, frozenset((choice.secret, *choice.others) if choice.secret else ()), cause)
        name = _id(choice.secret) if choice.secret else ""
        shop.emission.set(f"t/{host}", TlsHost(name, tuple(map(_id, choice.others))), cause)
        shop.ledger.put(unit, choice.notes)

    def _release(self, unit: Ref, cause: Cause) -> None:
        shop = self._shop
        shop.emission.delete(f"t/{unit.name}", cause)
        shop.ledger.put(unit)
        self._use(unit.name, frozenset(), cause)
        self._look(unit, set(), cause)

    def _use(self, host: str, now: frozenset[Ref], cause: Cause) -> None:
        before = self._chosen.pop(host, frozenset())
        for secret in sorted(before - now):
            self._secrets.use(host, secret, None, cause)
        for secret in sorted(now - before):
            self._secrets.use(host, None, secret, cause)
        if now:
            self._chosen[host] = now

    def _look(self, unit: Ref, looked: set[Ref], cause: Cause) -> None:
        """Remember at which Secrets a host looked; forget those at which nobody looks any longer."""
        readers = self._shop.readers
        before = readers.facts_of(unit)
        readers.set(unit, looked)
        for secret in before - looked:
            if not readers.of(secret) and secret != (_unit(self.default) if self.default else None):
                readers.drop(secret)
                self._shop.due[CERTIFICATE].pop(secret, None)
                self._secrets.forget(Ref("Secret", secret.namespace, secret.name), cause)


def _id(secret: Ref) -> str:
    """Give the id of the certificate of a Secret."""
    return f"{secret.namespace}/{secret.name}"


def _unit(secret: Ref) -> Ref:
    """Name the unit, and the fact, of a Secret that was read."""
    return Ref(CERTIFICATE, secret.namespace, secret.name)
