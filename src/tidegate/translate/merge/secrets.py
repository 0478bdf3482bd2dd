"""Secrets with certificates: read when a host first looks at one, kept by content, and kept when they turn bad (g.8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from tidegate.findings import Effect, Finding
from tidegate.guard import Unacceptable
from tidegate.kube.objects import Ref, Resource, Secret
from tidegate.model import Cause, Certificate
from tidegate.store import View
from tidegate.translate.interpret import certificates
from tidegate.translate.interpret.certificates import Pair
from tidegate.translate.merge.emission import Emission
from tidegate.translate.merge.ledger import Ledger, Note

DEFAULT: Final = "_default"
"""Id of the default certificate."""
_DEFAULT_REF: Final = Ref("Secret", "", DEFAULT)


class Reading(msgspec.Struct, frozen=True):
    """What is known about one Secret."""

    secret: Secret | None = None
    """The object that was read; None: there is none."""
    pair: Pair | None = None
    """The pair in use: that of the Secret, or its last good one."""
    fault: str = ""
    """What would be accepted instead of the present Secret."""
    waiting: Pair | None = None
    """The pair of the present Secret if it is out of its time, and not used for that reason alone."""

    @property
    def verdict(self) -> tuple[str, ...] | None:
        """Give all that choosing a certificate depends on: kind of key and names, or None if there is no certificate."""
        return (self.pair.certificate.kind, *self.pair.certificate.names) if self.pair else None


class Secrets:
    """Certificates by Secret, who uses them, and their entries."""

    def __init__(
        self, emission: Emission, ledger: Ledger, default: Ref | None, last_good: Mapping[Ref, Resource]
    ) -> None:
        self._emission = emission
        self._ledger = ledger
        self._default = default
        self._last_good = {ref: found for ref, found in last_good.items() if isinstance(found, Secret)}
        self._readings: dict[Ref, Reading] = {}
        self._users: dict[Ref, set[str]] = {}
        self._now = 0.0

    def __contains__(self, ref: Ref) -> bool:
        return ref in self._readings

    def certificate(self, ref: Ref) -> Certificate | None:
        """Give the certificate of a Secret that was read; None if it has none."""
        reading = self._readings[ref]
        return reading.pair.certificate if reading.pair else None

    def read(self, ref: Ref, view: View, cause: Cause) -> bool:
        """Read a Secret anew; tell whether the choice of certificates may come out differently now."""
        before = self._readings.get(ref)
        reading = self._reading(ref, view.secret(ref.namespace, ref.name), before)
        self._readings[ref] = reading
        self._note(ref, reading)
        self._emit(ref, cause)
        return before is None or before.verdict != reading.verdict

    def forget(self, ref: Ref, cause: Cause) -> None:
        """Forget a Secret at which nobody looks any longer."""
        self._readings.pop(ref, None)
        self._ledger.put(("certificate", ref))
        self._emit(ref, cause)

    def use(self, host: str, before: Ref | None, now: Ref | None, cause: Cause) -> None:
        """Say which Secret a host's certificate is from."""
        if before == now:
            return
        if before is not None:
            self._users[before].discard(host)
            if not self._users[before]:
                del self._users[before]
                self._let_go(before)
            self._emit(before, cause)
        if now is not None:
            self._users.setdefault(now, set()).add(host)
            self._emit(now, cause)

    def tell_time(self, now: float, cause: Cause) -> list[Ref]:
        """Note which certificates are out of their time now. Give the Secrets whose certificate is another one now."""
        before, self._now = self._now, now
        changed = []
        for ref, reading in self._readings.items():
            if reading.waiting and (_time_fault(reading.pair, now) or not _time_fault(reading.waiting, now)):
                changed.append(ref)
            elif _time_fault(reading.pair, before) != _time_fault(reading.pair, now):
                self._note(ref, reading)
        for ref in changed:
            self._take_waiting(ref)
            self._emit(ref, cause)
        return changed

    def _take_waiting(self, ref: Ref) -> None:
        reading = self._readings[ref]
        self._readings[ref] = Reading(reading.secret, reading.waiting)
        self._note(ref, self._readings[ref])

    def _reading(self, ref: Ref, secret: Secret | None, before: Reading | None) -> Reading:
        if secret is None:
            if before is not None and before.secret is not None:
                # Deleted on purpose: a last good pair must not come back.
                self._last_good.pop(self._kept_as(ref), None)
            return Reading()
        try:
            pair = certificates.read(secret)
        except Unacceptable as refusal:
            return Reading(secret, self._kept(ref, before), str(refusal))
        if fault := _time_fault(pair, self._now):
            kept = self._kept(ref, before)
            if kept is not None and not _time_fault(kept, self._now):
                return Reading(secret, kept, f"a certificate that is valid now: {fault}", pair)
        return Reading(secret, pair)

    def _kept(self, ref: Ref, before: Reading | None) -> Pair | None:
        """Give the pair that was in use when a Secret turned bad, in this run or the one before."""
        in_use = ref in self._users or ref == self._default
        if before is not None and before.secret is not None:
            return before.pair if in_use else None
        kept = self._last_good.pop(self._kept_as(ref), None)
        if kept is None:
            return None
        try:
            return certificates.read(kept)
        except Unacceptable:
            return None

    def _kept_as(self, ref: Ref) -> Ref:
        return _DEFAULT_REF if ref == self._default else ref

    def _let_go(self, ref: Ref) -> None:
        """Drop the last good pair of a bad Secret that nothing uses any longer."""
        reading = self._readings.get(ref)
        if reading is not None and reading.waiting:
            self._take_waiting(ref)
        elif reading is not None and reading.fault and ref != self._default:
            self._readings[ref] = Reading(reading.secret, None, reading.fault)
            self._note(ref, self._readings[ref])

    def _emit(self, ref: Ref, cause: Cause) -> None:
        reading = self._readings.get(ref)
        pair = reading.pair if reading else None
        for key, wanted in (
            (f"c/{ref.namespace}/{ref.name}", ref in self._users),
            (f"c/{DEFAULT}", ref == self._default),
        ):
            if pair is not None and wanted:
                self._emission.set(key, pair.certificate, cause)
            elif wanted or key != f"c/{DEFAULT}":
                self._emission.delete(key, cause)

    def _note(self, ref: Ref, reading: Reading) -> None:
        self._ledger.put(("certificate", ref), self._notes(ref, reading))

    def _notes(self, ref: Ref, reading: Reading) -> Iterator[Note]:
        if reading.fault:
            kept = "Its last good pair stays in use." if reading.pair else "The default certificate is used."
            effect = Effect.REFUSED if reading.pair else Effect.IGNORED
            yield _note(ref, effect, "CertificateInvalid", "data", reading.fault, kept)
        elif reading.pair is not None:
            for oddity in reading.pair.oddities:
                yield _note(
                    ref,
                    Effect.WARNING,
                    "ChainOrder",
                    "data[tls.crt]",
                    "each issuer after its subject",
                    oddity,
                )
        if fault := _time_fault(reading.pair, self._now):
            used = f"{fault[0].upper()}{fault[1:]}; it is used all the same."
            yield _note(
                ref, Effect.WARNING, "CertificateTime", "data[tls.crt]", "a certificate valid now", used
            )
        if ref == self._default and reading.secret is None:
            yield _note(
                ref, Effect.WARNING, "SecretNotFound", "", "a Secret with tls.crt and tls.key",
                "--default-ssl-certificate names it; the built-in certificate is used.",
            )  # fmt: skip


def _time_fault(pair: Pair | None, now: float) -> str:
    if pair is None or not now:
        return ""
    if now > pair.certificate.not_after:
        return "it has expired"
    return "it is not valid yet" if now < pair.certificate.not_before else ""


def _note(ref: Ref, effect: Effect, kind: str, field: str, accepted: str, message: str) -> Note:
    return Note(ref, Finding(effect, kind, str(ref), field, "", accepted, message))
