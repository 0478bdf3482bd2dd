"""The groups that wait: those that may go, in order, and those that are parked for a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice

from tidegate.dataplane.delta._groups import Change, Group, Parked, Urgency


class Waiting:
    """Groups by urgency and age, with the group of each key. A key is in one group at most."""

    def __init__(self) -> None:
        self._ready: tuple[dict[int, Group], ...] = tuple({} for _ in Urgency)
        self._parked: dict[int, Group] = {}
        self._owner: dict[str, Group] = {}

    def __iter__(self) -> Iterator[Group]:
        return chain(*(ready.values() for ready in self._ready), self._parked.values())

    def __contains__(self, key: str) -> bool:
        return key in self._owner

    @property
    def entries(self) -> int:
        """Give the number of entries that wait."""
        return len(self._owner)

    @property
    def is_urgent(self) -> bool:
        """Tell whether a change of endpoints may go."""
        return bool(self._ready[Urgency.ENDPOINTS])

    def owner(self, key: str) -> Group | None:
        """Give the group that holds a key."""
        return self._owner.get(key)

    def first(self, most: int) -> list[Group]:
        """Give the groups that go first, at most so many."""
        return list(islice(chain(*(ready.values() for ready in self._ready)), most))

    def parked(self, *reasons: Parked) -> list[Group]:
        """Give the groups that are parked for one of these reasons."""
        return [group for group in self._parked.values() if group.parked in reasons]

    def add(self, group: Group) -> None:
        """Let a group wait for its turn. None of its keys may be in another one."""
        if group.changes:
            self._owner.update(dict.fromkeys(group.changes, group))
            self._ready[group.urgency][group.id] = group

    def drop(self, group: Group) -> None:
        """Take a group out; it keeps its changes."""
        self._ready[group.urgency].pop(group.id, None)
        self._parked.pop(group.id, None)
        group.parked = Parked.NO
        for key in group.changes:
            self._owner.pop(key, None)

    def take_out(self, key: str) -> None:
        """Take one key out of the group that holds it."""
        group = self._owner.pop(key, None)
        if group is not None:
            del group.changes[key]
            if not group.changes:
                self.drop(group)

    def split(self, group: Group, keys: Mapping[str, Change], new_id: int) -> None:
        """Make a group of its own of some changes of a group."""
        for key in keys:
            del group.changes[key]
        self.add(Group(new_id, group.urgency, dict(keys)))

    def park(self, group: Group, why: Parked) -> None:
        """Let a group wait for something else than its turn."""
        self._ready[group.urgency].pop(group.id, None)
        group.parked = why
        self._parked[group.id] = group

    def release(self, *reasons: Parked) -> None:
        """Let the groups that are parked for one of these reasons wait for their turn again."""
        for group in self.parked(*reasons):
            del self._parked[group.id]
            group.parked = Parked.NO
            self._ready[group.urgency][group.id] = group
