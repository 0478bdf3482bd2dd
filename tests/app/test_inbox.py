"""What waits is taken in order, and never in an older version than what overtook it."""

from __future__ import annotations

from tidegate.app._inbox import MOST_WAITING, SMALL, Changes, Inbox
from tidegate.kube.objects import EndpointSlice, Metadata, Ref

SLICE = Ref("EndpointSlice", "ns", "s")
ROUTE = Ref("Ingress", "ns", "i")


def version(number: int) -> EndpointSlice:
    return EndpointSlice(Metadata(name="s", namespace="ns", labels={"v": str(number)}))


def slice_of(number: int) -> Changes:
    return [(SLICE, version(number))]


def mixed(number: int) -> Changes:
    return [(ROUTE, None), (SLICE, version(number))]


async def drain(inbox: Inbox) -> list[int]:
    """Take everything; give the versions of the slice in the order in which they were taken."""
    taken = []
    while inbox.is_busy:
        told = await inbox.next()
        for part in inbox.slices(told, 1):
            taken += [int((obj.metadata.labels or {})["v"]) for ref, obj in part if ref == SLICE and obj]
        inbox.done()
    return taken


async def test_with_nothing_at_hand_nothing_is_overtaken() -> None:
    assert not Inbox().overtakes(slice_of(1))
    assert Inbox().overtakes(slice_of(1), beside=True)


async def test_what_was_told_before_an_overtaking_is_left_out_and_what_was_told_after_is_not() -> None:
    inbox = Inbox()
    inbox.put(mixed(1))
    assert inbox.overtakes(slice_of(2))
    inbox.put(mixed(3))
    assert await drain(inbox) == [3]


async def test_what_is_overtaken_while_its_batch_is_half_taken_is_left_out() -> None:
    inbox = Inbox()
    inbox.put(mixed(1))
    told = await inbox.next()
    parts = inbox.slices(told, 1)
    next(parts)
    assert inbox.overtakes(slice_of(2))
    assert list(parts) == [[]]
    inbox.done()
    inbox.put(mixed(1))
    assert await drain(inbox) == [1]


async def test_only_a_few_endpoints_overtake() -> None:
    inbox = Inbox()
    inbox.put(mixed(1))
    assert not inbox.overtakes(mixed(2))
    assert not inbox.overtakes(slice_of(2) * (SMALL + 1))
    assert not inbox.overtakes([])


async def test_many_batches_become_one_that_holds_the_newest_of_each() -> None:
    inbox = Inbox()
    inbox.put([], initial=True)
    for number in range(3 * MOST_WAITING):
        inbox.put(mixed(number))
        if number == MOST_WAITING:
            assert inbox.overtakes(slice_of(100))
    assert (await inbox.next()).initial
    inbox.done()
    assert (await drain(inbox))[-1] == 3 * MOST_WAITING - 1
