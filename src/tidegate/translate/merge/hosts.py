"""Hosts: the claims on each path of a host, who won them, and the entries that say so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from zlib import crc32

from tidegate.guard import regex
from tidegate.model import BUCKET_RULES, LISTENER, Bucket, Cause, ClientTls, Conditions, Host, PathKind, Rule
from tidegate.translate.interpret.contributions import FALLBACK, Claim
from tidegate.translate.merge.emission import Emission
from tidegate.translate.merge.ranks import Ranked

_SHRINK = 4
"""Buckets are halved when they hold less than this part of what they may: a host at the edge does not flutter."""


class Twin(NamedTuple):
    """Who serves a path beside its winner: one of the two serves gRPC calls, the other the rest."""

    claim: Claim
    has_calls: bool


class HostState:
    """All that is known about one host."""

    __slots__ = (
        "_buckets", "_dirty", "_members", "asking", "canaries", "claims", "client", "is_regex", "literals", "name",
        "namers", "passed", "protected", "regexes", "secured", "twins", "winners",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.namers = Ranked()
        """Ingress objects because of which the host exists."""
        self.secured: Ranked | None = None
        """Those among them that have a TLS section."""
        self.passed: Ranked | None = None
        """Those whose TLS for the host is to be passed through; None: there never was one."""
        self.asking: Ranked | None = None
        """Those among them that ask for something of handshakes."""
        self.client: ClientTls | None = None
        """What clients' certificates must be; decided elsewhere."""
        self.claims: dict[str, tuple[Claim, ...]] = {}
        """Contenders by kind and path, in no order."""
        self.canaries: dict[str, tuple[Claim, ...]] = {}
        self.winners: dict[str, Claim] = {}
        self.twins: dict[str, Twin] = {}
        self.regexes: set[str] = set()
        """Kinds and paths of winners that make this a regex host."""
        self.protected: set[str] = set()
        """Kinds and paths of winners that not everybody may ask for."""
        self.is_regex = False
        self.literals: dict[str, str] = {}
        """On a regex host: patterns for paths that are no regular expressions."""
        self._buckets = 0
        self._members: list[dict[str, None]] = []
        self._dirty: set[int] = set()

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is left to remember."""
        return not (self.namers or self.claims or self.canaries)

    # --- claims -------------------------------------------------------------------------------------------------------

    def put(self, claim: Claim, *, is_canary: bool) -> None:
        """Add a claim, instead of the one that the same Ingress had there."""
        table = self.canaries if is_canary else self.claims
        others = (other for other in table.get(claim.key, ()) if other.ingress != claim.ingress)
        table[claim.key] = (*others, claim)

    def drop(self, claim: Claim) -> None:
        """Remove the claim that an Ingress has on a path."""
        for table in (self.claims, self.canaries):
            there = table.get(claim.key, ())
            left = tuple(other for other in there if other.ingress != claim.ingress)
            if left:
                table[claim.key] = left
            elif there:
                del table[claim.key]

    @property
    def contested(self) -> frozenset[str]:
        """Every kind and path on which anybody has a claim."""
        return frozenset((*self.claims, *self.canaries))

    # --- winners ------------------------------------------------------------------------------------------------------

    @property
    def is_guarded(self) -> bool:
        """Say whether some paths are protected, and others may be protected less: one Ingress protects all of its own."""
        return bool(self.protected) and len(self.namers.members) > 1

    def set_winner(
        self, key: str, claim: Claim | None, twin: Twin | None, *, is_regex: bool, protects: bool
    ) -> None:
        """Note who won a path, or that nobody did; and who serves it beside the winner."""
        if twin is None:
            self.twins.pop(key, None)
        else:
            self.twins[key] = twin
        (self.protected.add if claim is not None and protects else self.protected.discard)(key)
        if key == FALLBACK:
            self._keep(key, claim)
            return
        if self._buckets:
            self._assign(key, present=False)
        self._keep(key, claim)
        if claim is not None and is_regex:
            self.regexes.add(key)
        else:
            self.regexes.discard(key)
        self._set_literal(key, needs_check=claim is not None and self.is_regex and not is_regex)
        if self._buckets and claim is not None:
            self._assign(key, present=True)

    def served(self, key: str) -> list[Claim]:
        """Give who serves a path: nobody, its winner, or its winner and another."""
        twin = self.twins.get(key)
        both = (self.winners.get(key), twin.claim if twin else None)
        return [claim for claim in both if claim is not None]

    def turn(self) -> bool:
        """Become a regex host or a plain one, if the winners now say so; tell whether that changed."""
        if self.is_regex == bool(self.regexes):
            return False
        self.is_regex = not self.is_regex
        self._spread(self._buckets)
        return True

    def _keep(self, key: str, claim: Claim | None) -> None:
        if claim is None:
            self.winners.pop(key, None)
        else:
            self.winners[key] = claim

    def _set_literal(self, key: str, *, needs_check: bool) -> None:
        if needs_check and regex.fault(key[1:]):
            self.literals[key] = regex.literal(key[1:])
        else:
            self.literals.pop(key, None)

    # --- entries ------------------------------------------------------------------------------------------------------

    def emit(self, emission: Emission, cause: Cause) -> None:
        """Write the host's entry, and those of its buckets that changed."""
        if not self.namers and not self.winners:
            self._resize(0, emission, cause)
            emission.delete(self._key, cause)
            return
        self._resize(_buckets_for(len(self.winners), self._buckets), emission, cause)
        for number in sorted(self._dirty):
            emission.set(self._bucket_key(number), Bucket(tuple(self._rules(self._members[number]))), cause)
        self._dirty.clear()
        fallback = self.winners.get(FALLBACK)
        host = Host(
            rules=() if self._buckets else tuple(self._rules(self.winners)),
            regex=self.is_regex,
            buckets=self._buckets,
            fallback=fallback.route if fallback else "",
            guarded=self.is_guarded,
            client=self.client,
        )
        emission.set(self._key, host, cause)

    @property
    def _key(self) -> str:
        return f"h/{LISTENER}/{self.name}"

    def _bucket_key(self, number: int) -> str:
        return f"m/{LISTENER}/{self.name}/{number}"

    def _rules(self, keys: Iterable[str]) -> Iterator[Rule]:
        present = sorted((key, self._pattern(key)) for key in keys if key != FALLBACK)
        # Longest first, then by text descending, as nginx tries them (reference g.2). Stable: equal ones stay by kind.
        present.sort(key=lambda item: _try_order(item[1]), reverse=True)
        for key, pattern in present:
            kind, winner, twin = PathKind(key[0]), self.winners[key], self.twins.get(key)
            if twin is None:
                yield Rule(kind, pattern, winner.route)
            else:
                calls, rest = (twin.claim, winner) if twin.has_calls else (winner, twin.claim)
                yield Rule(kind, pattern, calls.route, Conditions(grpc=True))
                yield Rule(kind, pattern, rest.route)

    def _pattern(self, key: str) -> str:
        return self.literals.get(key) or key[1:]

    # --- buckets ------------------------------------------------------------------------------------------------------

    def _bucket_of(self, key: str) -> int:
        return crc32(self._pattern(key).encode()) % self._buckets

    def _assign(self, key: str, *, present: bool) -> None:
        number = self._bucket_of(key)
        self._dirty.add(number)
        if present:
            self._members[number][key] = None
        else:
            self._members[number].pop(key, None)

    def _resize(self, buckets: int, emission: Emission, cause: Cause) -> None:
        if buckets == self._buckets:
            return
        for number in range(buckets, self._buckets):
            emission.delete(self._bucket_key(number), cause)
        self._spread(buckets)

    def _spread(self, buckets: int) -> None:
        self._buckets = buckets
        self._members = [{} for _ in range(buckets)]
        self._dirty = set(range(buckets))
        if buckets:
            for key in self.winners:
                if key != FALLBACK:
                    self._members[self._bucket_of(key)][key] = None


def _try_order(path: str) -> tuple[int, bytes]:
    encoded = path.encode()
    return len(encoded), encoded


def _buckets_for(rules: int, now: int) -> int:
    """Give the number of buckets: a power of two, so that each holds about ``BUCKET_RULES`` at most."""
    if now == 0 and rules <= BUCKET_RULES:
        return 0
    if now and rules <= BUCKET_RULES // 2:
        return 0
    wanted = max(now, 2)
    while rules > wanted * BUCKET_RULES:
        wanted *= 2
    while wanted > 2 and rules < wanted * BUCKET_RULES // _SHRINK:
        wanted //= 2
    return wanted
