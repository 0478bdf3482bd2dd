"""Names are asked for when their answers end, and failures leave them a growing pause."""

from pathlib import Path

import pytest

from tidegate.app._hosts_file import HostsFile, parse
from tidegate.app._names import LAST_RETRY, MOST_TTL, Answer, Schedule


def test_a_new_name_is_due_at_once_and_given_once() -> None:
    schedule = Schedule()
    schedule.want(["a", "b"], 10.0)
    assert schedule.due(10.0) == ["a", "b"]
    assert schedule.due(11.0) == []


@pytest.mark.parametrize(("ttl", "pause"), [(0, 1), (5, 5), (3600, MOST_TTL)])
def test_an_answer_is_believed_for_its_time_within_bounds(ttl: float, pause: float) -> None:
    schedule = Schedule()
    schedule.want(["a"], 0.0)
    schedule.due(0.0)
    assert schedule.answered("a", Answer(("10.0.0.1",), ttl), 100.0)
    assert schedule.wait() == 100.0 + pause
    assert schedule.due(100.0 + pause) == ["a"]


def test_failures_are_followed_by_longer_and_longer_pauses_up_to_a_bound() -> None:
    schedule = Schedule()
    schedule.want(["a"], 0.0)
    now, pauses = 0.0, []
    for _ in range(8):
        assert schedule.due(now) == ["a"]
        schedule.answered("a", None, now)
        next_at = schedule.wait() or 0.0
        pauses.append(next_at - now)
        now = next_at
    assert pauses == [1, 2, 4, 8, 16, LAST_RETRY, LAST_RETRY, LAST_RETRY]


def test_a_name_that_is_not_wanted_any_more_is_not_asked_for() -> None:
    schedule = Schedule()
    schedule.want(["a"], 0.0)
    assert schedule.due(0.0) == ["a"]
    schedule.want([], 1.0)
    assert not schedule.answered("a", Answer((), 1), 2.0)
    assert schedule.due(100.0) == []


def test_a_name_that_comes_back_is_asked_for_once() -> None:
    schedule = Schedule()
    schedule.want(["a"], 0.0)
    schedule.want([], 1.0)
    schedule.want(["a"], 2.0)
    assert schedule.due(2.0) == ["a"]


def test_a_hosts_file_gives_every_address_of_a_name() -> None:
    text = "127.0.0.1 localhost Here # comment\n::1\tlocalhost\nnonsense localhost\n\n"
    assert parse(text) == {"localhost": ("127.0.0.1", "::1"), "here": ("127.0.0.1",)}


def test_a_hosts_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    hosts = HostsFile(file)
    assert hosts.addresses("a") == ()
    file.write_text("10.0.0.1 a\n")
    assert hosts.addresses("A.") == ("10.0.0.1",)
    file.write_text("10.0.0.22 a\n")
    assert hosts.addresses("a") == ("10.0.0.22",)
