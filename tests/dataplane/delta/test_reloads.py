"""Reloads are coalesced and budgeted, and one namespace's churn does not make another wait."""

import contextlib
from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.dataplane.delta import Budget, Reloads, trials


def test_a_budget_allows_so_many_at_once_then_one_by_one() -> None:
    budget = Budget(3, 10)
    for _ in range(3):
        assert budget.wait(100.0) == 0
        budget.spend(100.0)
    assert budget.wait(100.0) == 10
    assert budget.wait(110.0) == 0


def test_a_reload_waits_a_moment_for_further_reasons() -> None:
    reloads = Reloads()
    assert reloads.wait({}, 50.0) is None
    assert reloads.wait({"p": {"a"}}, 50.0) == pytest.approx(0.2)
    assert reloads.wait({"p": {"a"}, "q": {"a"}}, 50.2) == pytest.approx(0)


def fire(reloads: Reloads, missing: dict[str, set[str]], now: float) -> float:
    """Wait for the next reload and do it; give its time."""
    wait = reloads.wait(missing, now)
    assert wait is not None
    reloads.spend(missing, now + wait)
    return now + wait


def test_three_reloads_are_made_at_once_and_then_one_in_ten_seconds() -> None:
    reloads = Reloads()
    now, times = 100.0, []
    for n in range(5):
        now = fire(reloads, {f"p{n}": {f"ns{n}"}}, now)
        times.append(now - 100.0)
    assert times == pytest.approx([0.2, 0.4, 0.6, 10.2, 20.2])


def test_the_churn_of_one_namespace_leaves_reloads_for_another() -> None:
    reloads = Reloads()
    now = 100.0
    for n in range(20):
        now = fire(reloads, {f"p{n}": {"churner"}}, now)
        assert reloads.wait({f"p{n + 1}": {"churner"}}, now) is not None
        calm = reloads.wait({f"p{n + 1}": {"churner"}, "q": {"calm"}}, now)
        assert calm == pytest.approx(0.2)


def test_settings_of_the_node_wait_for_no_share() -> None:
    reloads = Reloads()
    for _ in range(2):
        fire(reloads, {"p": {"a"}}, 100.0)
    assert (reloads.wait({"q": {"a"}}, 101.0) or 0) > 1
    assert reloads.wait({"q": {"a"}}, 101.0, settings=True) == pytest.approx(0.2)


@given(st.lists(st.integers(0, 50), unique=True), st.sets(st.integers(0, 50)))
def test_trials_find_exactly_what_is_refused(new: list[int], bad: set[int]) -> None:
    taken: tuple[int, ...] = ()

    def search() -> Generator[tuple[int, ...], bool, None]:
        refused = yield from trials(new)
        assert set(refused) == set(new) & bad

    running = search()
    part = next(running, None)
    while part is not None:
        good = not bad & set(part)
        taken = part if good else taken
        with contextlib.suppress(StopIteration):
            part = running.send(good)
            continue
        part = None
    assert set(taken) == set(new) - bad
