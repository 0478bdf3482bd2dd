"""Garbage is collected in pieces that keep the event loop for no longer than other work does."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from tidegate.app import _garbage


@pytest.fixture(autouse=True)
def own_collection() -> Iterator[None]:
    gc.collect()
    _garbage.begin()
    yield
    gc.enable()
    gc.unfreeze()


class Cycle:
    """An object that holds itself."""

    def __init__(self) -> None:
        self.own = self


def test_a_little_that_is_young_is_collected() -> None:
    gone = weakref.ref(Cycle())
    _garbage.collect_young()
    assert gone() is None


def test_much_that_is_young_is_not_looked_at_now_but_when_all_is() -> None:
    lasting = [[n] for n in range(2 * _garbage.MOST_YOUNG)]
    gone = weakref.ref(Cycle())
    before = gc.get_freeze_count()
    _garbage.collect_young()
    assert gc.get_freeze_count() >= before + len(lasting)
    assert gone() is not None
    gc.unfreeze()
    gc.collect()
    assert gone() is None
