"""What the kernel tells, turned into groups of paths to look at."""

from __future__ import annotations

import pytest

from tidegate.sources._queue import ARRIVAL_SECONDS, GONE_GRACE_SECONDS, Group, Queue
from tidegate.sources._watching import News, What


def queue(*settled: str) -> Queue:
    return Queue(
        lambda watch, name: {f"{watch}/{name}"}, lambda watch: {str(watch)}, lambda path: path in settled
    )


def paths(group: Group | None) -> tuple[list[str], list[str]]:
    assert group is not None
    return list(group.present), list(group.gone)


def test_what_was_touched_last_comes_first() -> None:
    q = queue()
    q.add([News(What.WRITTEN, 1, "a"), News(What.WRITTEN, 1, "b")], 0.0)
    q.add([News(What.WRITTEN, 1, "c")], 0.0)
    assert paths(q.next(0.0)) == (["1/c"], [])
    assert paths(q.next(0.0)) == (["1/a", "1/b"], [])
    assert q.next(0.0) is None
    assert q.delay(0.0) is None


def test_what_went_counts_as_gone_after_a_moment() -> None:
    q = queue()
    q.add([News(What.GONE, 1, "a")], 5.0)
    assert q.next(5.0) is None
    assert q.delay(5.0) == pytest.approx(GONE_GRACE_SECONDS)
    assert paths(q.next(5.0 + GONE_GRACE_SECONDS)) == ([], ["1/a"])


def test_what_came_back_is_not_gone() -> None:
    q = queue()
    q.add([News(What.GONE, 1, "a"), News(What.CREATED, 1, "a")], 0.0)
    assert q.next(1.0) is None
    q.add([News(What.WRITTEN, 1, "a")], 1.0)
    assert paths(q.next(1.0)) == (["1/a"], [])
    assert q.next(9.0) is None


def test_both_ends_of_a_move_are_dealt_with_at_once() -> None:
    q = queue()
    q.add([News(What.GONE, 1, "a", 7), News(What.WRITTEN, 2, "b", 7)], 0.0)
    assert paths(q.next(0.0)) == (["2/b"], ["1/a"])
    assert q.next(9.0) is None


def test_what_is_still_written_to_is_looked_at_in_the_end() -> None:
    q = queue()
    q.add([News(What.CREATED, 1, "a")], 0.0)
    assert q.next(0.0) is None
    assert paths(q.next(ARRIVAL_SECONDS)) == (["1/a"], [])


def test_a_link_or_folder_that_came_is_complete() -> None:
    q = queue("1/a")
    q.add([News(What.CREATED, 1, "a")], 0.0)
    assert paths(q.next(0.0)) == (["1/a"], [])


def test_dropped_news_mean_that_anything_may_have_changed() -> None:
    q = queue()
    q.add([News(What.OVERFLOW), News(What.LOST, 3)], 0.0)
    group = q.next(0.0)
    assert group is not None
    assert group.everything
    assert list(group.present) == ["3"]
