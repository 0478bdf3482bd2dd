"""Endpoint news that overtake a batch which is only half taken."""

from __future__ import annotations

from tests.translate.objects import World, endpoint_slice, service, simple


def test_hastened_endpoints_are_built_at_once_and_nothing_else_is() -> None:
    """The work that waits stays as it was, and ends as it would have."""
    world = World(simple(), service(), endpoint_slice("web", "10.0.0.1", "10.0.0.2"))
    translator = world.translator
    translator.apply([simple("other", "other.example")])
    pending = translator.pending
    work = translator.hasten([endpoint_slice("web", "10.0.0.2")])
    assert list(work.changes) == ["b/shop/web/80"]
    assert all("10.0.0.2" in address for address in world.addresses())
    assert translator.pending == pending
    world.work()
    assert world.host("other.example").rules
