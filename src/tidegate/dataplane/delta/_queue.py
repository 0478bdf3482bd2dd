"""The push queue: what is in force in nginx, what is to become so, and which of it goes next.

Pure: it is told what is wanted and what came of each delta, and it gives the next one. Changes of one cause stay
together, what is named goes before or with what names it, and nothing that is still named is removed. A group
that has to wait (for a location profile, or for memory) waits alone, with those that name its entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tidegate.dataplane.delta._groups import Change, Group, Parked, Urgency
from tidegate.dataplane.delta._in_force import InForce
from tidegate.dataplane.delta._references import (
    Facts,
    facts_of,
    with_previous,
    with_profile,
    without_previous,
)
from tidegate.dataplane.delta._waiting import Waiting
from tidegate.model import Cause

MOST_ENTRIES: Final = 256
"""Entries of one delta: nginx's worker writes them in one go, about a millisecond's work."""

MOST_BYTES: Final = 256 * 1024
"""Bytes of the values of one delta, for the same reason."""

_ENDPOINT_KINDS: Final = ("EndpointSlice ", "Endpoints ")
_ORDER: Final = {kind: place for place, kind in enumerate("ogcpbrmhts")}
"""What is named stands before what names it; the fact that the node is ready stands last."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one delta is to carry. Given by the queue, and given back with what came of it."""

    changes: Mapping[str, bytes | None]
    """As nginx gets them."""
    groups: tuple[Group, ...]
    substituted: frozenset[str] = frozenset()
    """Routes that go with another profile than they want, since that one is refused."""

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Give the causes, each once."""
        return tuple(dict.fromkeys(cause for group in self.groups for cause in group.causes))


class Queue:
    """Entries on their way to nginx. At most one batch is out at a time."""

    def __init__(self) -> None:
        self._in_force = InForce()
        self._waiting = Waiting()
        self._held: dict[str, Change] = {}
        """Removals of what is still named."""
        self._out: Batch | None = None
        self._known: frozenset[str] = frozenset()
        self._refused: frozenset[str] = frozenset()
        self._substituted: dict[str, Change] = {}
        """Routes in force with another profile than they want, since that one is refused."""
        self._last_id = 0

    # --- what is in force -----------------------------------------------------------------------------------

    def adopt(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take entries that nginx has already, as it has them."""
        for key, value in entries:
            self._in_force.set(key, without_previous(key, value))

    def forget(self) -> None:
        """Forget what is in force and what waits; the caller adopts and offers all anew."""
        self._in_force, self._waiting, self._held, self._out = InForce(), Waiting(), {}, None
        self._substituted = {}

    def in_force(self) -> Iterator[str]:
        """Give the keys in force."""
        return iter(self._in_force)

    def profiles_in_force(self) -> frozenset[str]:
        """Give the ids of the location profiles that routes in force name."""
        return self._in_force.profiles()

    def know_profiles(self, known: Iterable[str]) -> None:
        """Take the ids of the location profiles that every worker of nginx has now."""
        self._known = frozenset(known)
        self._waiting.release(Parked.PROFILE, Parked.BEHIND)

    def refuse_profiles(self, refused: Iterable[str]) -> None:
        """Take profiles that nginx does not accept: their routes keep the profile that they have in force."""
        self._refused |= frozenset(refused)
        self._waiting.release(Parked.PROFILE, Parked.BEHIND)

    def reconsider_profiles(self, profiles: Iterable[str]) -> None:
        """Take that refused profiles are to be tried again: the routes that want them wait for them once more."""
        free = frozenset(profiles) & self._refused
        self._refused -= free
        self._wait_again()

    def _wait_again(self) -> None:
        """Let routes that were given another profile wait for the one that they want, if it is not refused any more."""
        again = [key for key, c in self._substituted.items() if c.facts.profile not in self._refused]
        for key in again:
            change = self._substituted.pop(key)
            if key not in self._waiting:
                self._in_force.doubt(key)
                self._add({key: change}, Urgency.EDIT)

    # --- what is wanted -------------------------------------------------------------------------------------

    def offer(
        self,
        changes: Mapping[str, bytes | None],
        causes: Mapping[str, Cause],
        urgency: Urgency = Urgency.EDIT,
    ) -> None:
        """Take changes that belong to one state of the model. The newest value of a key counts.

        Raises ``msgspec.ValidationError`` for bytes that are no entry.
        """
        by_cause: dict[tuple[str, Urgency], dict[str, Change]] = {}
        for key, value in changes.items():
            cause = causes[key]
            facts = facts_of(key, value) if value is not None else Facts()
            group = (cause.object, Urgency.ENDPOINTS if self._is_urgent(key, cause) else urgency)
            by_cause.setdefault(group, {})[key] = Change(value, cause, facts)
        for (_, of_group), group_changes in by_cause.items():
            self._add(group_changes, of_group)

    def resync(self, changes: Mapping[str, bytes | None], cause: Cause) -> None:
        """Take what is wanted of single entries, each a group of its own, after everything else that waits."""
        for key, value in changes.items():
            if key not in self._waiting:
                facts = facts_of(key, value) if value is not None else Facts()
                self._add({key: Change(value, cause, facts)}, Urgency.RESYNC)

    def _is_urgent(self, key: str, cause: Cause) -> bool:
        return key[0] in "bp" and key in self._in_force and cause.object.startswith(_ENDPOINT_KINDS)

    def _add(self, changes: Mapping[str, Change], urgency: Urgency) -> None:
        others: dict[int, Group] = {}
        needed: dict[str, Change] = {}
        for key, change in changes.items():
            self._held.pop(key, None)
            owner = self._waiting.owner(key)
            # An endpoint change never waits for what an older group waits for.
            if owner is not None and urgency is not Urgency.ENDPOINTS:
                others[owner.id] = owner
            self._waiting.take_out(key)
            if not self._will_be(key, change.value):
                needed[key] = change
        if needed or others:
            self._join(needed, urgency, sorted(others.values(), key=lambda group: group.id))

    def _join(self, changes: Mapping[str, Change], urgency: Urgency, others: list[Group]) -> None:
        """Make one group of these changes and of the groups that shared a key with them."""
        group = Group(
            min([self._next_id(), *(g.id for g in others)]), min([urgency, *(g.urgency for g in others)])
        )
        for other in others:
            self._waiting.drop(other)
            group.alone |= other.alone
            group.failures = max(group.failures, other.failures)
            group.changes.update(other.changes)
        group.changes.update(changes)
        self._waiting.add(group)

    def _will_be(self, key: str, value: bytes | None) -> bool:
        """Tell whether a key will have this value once the batch that is out is in force."""
        if self._out is not None and key in self._out.changes:
            # A value may be changed on its way, so compare what was wanted.
            return any(key in g.changes and g.changes[key].value == value for g in self._out.groups)
        return self._in_force.holds(key, value)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    # --- the next batch -------------------------------------------------------------------------------------

    def take(self) -> Batch | None:
        """Give the next batch, or None if nothing can go now. It must be given back before the next one."""
        if self._out is not None:
            raise RuntimeError("a batch is out already")
        while candidates := self._waiting.first(MOST_ENTRIES):
            if batch := self._batch_of(self._pick(candidates)):
                self._out = batch
                return batch
        return None

    def _pick(self, candidates: list[Group]) -> list[Group]:
        """Choose groups in order until the batch is full; park those that have to wait."""
        picked: dict[int, Group] = {}
        entries = size = 0
        for group in candidates:
            if picked and group.urgency > candidates[0].urgency is Urgency.ENDPOINTS:
                break  # what is urgent goes by itself: less to write, and sooner in force
            more = [g for g in self._closure(group) if g.id not in picked]
            entries += sum(len(g.changes) for g in more)
            size += sum(g.size for g in more)
            by_itself = any(g.alone for g in more)
            if picked and (by_itself or entries > MOST_ENTRIES or size > MOST_BYTES):
                break
            picked |= {g.id: g for g in more}
            if by_itself:
                break
        return list(picked.values())

    def _closure(self, group: Group) -> list[Group]:
        """Give a group with all those that hold what it names; empty (and parked) if one of them waits."""
        found: dict[int, Group] = {}
        to_do = [group]
        while to_do:
            one = to_do.pop()
            if one.id in found:
                continue
            if not one.parked and one.profiles - self._known - self._refused:
                self._park_for_profile(one)
            if one.parked:
                if one is not group:
                    self._waiting.park(group, Parked.BEHIND)
                return []
            found[one.id] = one
            to_do += self._holders(one)
        return list(found.values())

    def _holders(self, group: Group) -> Iterator[Group]:
        """Give the groups that hold what a group names and nginx does not have yet."""
        for change in group.changes.values():
            for target in change.facts.targets:
                owner = self._waiting.owner(target)
                if owner is not None and owner is not group and target not in self._in_force:
                    yield owner

    def _park_for_profile(self, group: Group) -> None:
        # Backends and certificates do not wait with it: alone they change nothing, or they are urgent.
        ahead = {k: c for k, c in group.changes.items() if k[0] in "bcp" and c.value is not None}
        self._waiting.park(group, Parked.PROFILE)
        if ahead:
            self._waiting.split(group, ahead, self._next_id())

    def _batch_of(self, groups: list[Group]) -> Batch | None:
        for group in groups:
            self._waiting.drop(group)
        self._hold_back(groups)
        changes = {key: change for group in groups for key, change in group.changes.items()}
        if not changes:
            return None
        ordered = sorted(changes, key=lambda key: _place(key, changes[key]))
        values = {key: self._for_nginx(key, changes[key]) for key in ordered}
        substituted = frozenset(key for key in ordered if self._is_refused(key, changes[key]))
        return Batch(values, tuple(group for group in groups if group.changes), substituted)

    def _hold_back(self, groups: list[Group]) -> None:
        """Take removals of what would still be named out of the groups, until nothing names it."""
        named = self._in_force.names_after((k, c.facts) for group in groups for k, c in group.changes.items())
        for group in groups:
            for key in [k for k, c in group.changes.items() if c.value is None]:
                if self._in_force.names_of(key) + named.get(key, 0) > 0:
                    self._held[key] = group.changes.pop(key)

    def _for_nginx(self, key: str, change: Change) -> bytes | None:
        """Give a value as nginx gets it: a route with a new profile names the one before, too."""
        wanted, before = change.facts.profile, self._in_force.profile_of(key)
        if change.value is None or wanted == before:
            return change.value
        if self._is_refused(key, change):
            return with_profile(key, change.value, before)
        return with_previous(key, change.value, before) if before else change.value

    def _is_refused(self, key: str, change: Change) -> bool:
        wanted = change.facts.profile
        return wanted in self._refused and wanted != self._in_force.profile_of(key)

    # --- what came of it ------------------------------------------------------------------------------------

    def acknowledge(self, batch: Batch) -> None:
        """Take that a batch is in force."""
        self._out = None
        free: list[str] = []
        for group in batch.groups:
            for key, change in group.changes.items():
                free += self._enforce(key, change, substituted=key in batch.substituted)
        self._wait_again()
        for key in free:
            if key in self._held and not self._in_force.names_of(key):
                self._join({key: self._held.pop(key)}, Urgency.EDIT, [])
        self._waiting.release(Parked.BEHIND)

    def give_back(self, batch: Batch) -> None:
        """Take a batch back that is not in force, for no fault of its own: it goes again."""
        self._out = None
        for group in batch.groups:
            self._put_back(group)

    def set_aside(self, batch: Batch) -> None:
        """Take a batch back that did not fit into nginx's memory.

        If it held several groups, each is tried by itself; one that was by itself waits for `retry_full`. A group
        that only removes is halved instead: the list of what changed takes room too, and less room is needed later.
        """
        self._out = None
        to_blame = len(batch.groups) == 1 or all(group.alone for group in batch.groups)
        for group in batch.groups:
            group.alone = True
            self._put_back(group)
            if not to_blame or not group.changes:
                continue
            if len(group.changes) > 1 and all(change.value is None for change in group.changes.values()):
                self._halve(group)
            else:
                group.failures += 1
                self._waiting.park(group, Parked.FULL)

    def _halve(self, group: Group) -> None:
        """Make two groups of one that removes: first what names, then what is named."""
        keys = sorted(group.changes, key=lambda key: _place(key, group.changes[key]))
        self._waiting.drop(group)
        for part in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
            changes = {key: group.changes[key] for key in part}
            self._waiting.add(Group(self._next_id(), group.urgency, changes, alone=True))

    def retry_full(self) -> None:
        """Let the groups that did not fit be tried again."""
        self._waiting.release(Parked.FULL, Parked.BEHIND)

    def _put_back(self, group: Group) -> None:
        """Let a group wait again, without the keys for which there is something newer."""
        for key in [k for k in group.changes if k in self._waiting or k in self._held]:
            del group.changes[key]
        self._waiting.add(group)

    def _enforce(self, key: str, change: Change, *, substituted: bool) -> list[str]:
        self._substituted.pop(key, None)
        if change.value is None:
            return self._in_force.remove(key)
        facts = change.facts
        if substituted:
            self._substituted[key] = change
            facts = Facts(facts.targets, self._in_force.profile_of(key))
        return self._in_force.set(key, change.value, facts)

    # --- questions ------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Give the number of entries that wait or are on their way."""
        return self._waiting.entries + len(self._held) + (len(self._out.changes) if self._out else 0)

    @property
    def is_urgent(self) -> bool:
        """Tell whether changes of endpoints can go now, or are on their way."""
        out = self._out.groups if self._out else ()
        return self._waiting.is_urgent or any(group.urgency is Urgency.ENDPOINTS for group in out)

    @property
    def mark(self) -> int:
        """Give a mark for "everything that was offered up to now"."""
        return self._last_id

    def is_done(self, mark: int) -> bool:
        """Tell whether everything that was offered up to a mark is in force."""
        return self._out is None and all(group.id > mark for group in self._waiting)

    def parked(self, why: Parked) -> list[Group]:
        """Give the groups that wait for a reason."""
        return self._waiting.parked(why)

    def missing_profiles(self) -> dict[str, frozenset[str]]:
        """Give the profiles that routes wait for, each with the namespaces of those routes."""
        found: dict[str, set[str]] = {}
        for group in self.parked(Parked.PROFILE):
            for key, change in group.changes.items():
                profile = change.facts.profile
                if profile and profile not in self._known | self._refused:
                    found.setdefault(profile, set()).add(key.split("/", 2)[1])
        return {profile: frozenset(namespaces) for profile, namespaces in found.items()}


def _place(key: str, change: Change) -> tuple[int, int]:
    place = _ORDER[key[0]]
    return (0, place) if change.value is not None else (1, -place)
