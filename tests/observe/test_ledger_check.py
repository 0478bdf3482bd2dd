"""The judge finds every kind of fault that is planted in a good history, and none in a good one."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.observe.ledger import (
    CLASSES,
    Asked,
    BadHistory,
    End,
    Executed,
    Member,
    Record,
    Run,
    Target,
    Writer,
    check,
    read,
)

RUN = "run"


def asked(n: int, *, method: str = "GET", **more: object) -> Asked:
    gave = "cafe" if method == "POST" else ""
    one = Asked(f"{RUN}-{n}", "shop", "get", method, 10.0 + n, 10.0 + n, 10.5 + n, 200,
                instance=f"web-{n % 2}", tenant="a", echoed=f"{RUN}-{n}",
                body=f"b{n}", claimed=f"b{n}", gave=gave)  # fmt: skip
    return msgspec.structs.replace(one, **more)


def executed(one: Asked, **more: object) -> Executed:
    made = Executed(one.id, one.instance or "web-0", one.method, one.sent + 0.1, "a", one.gave, one.body)
    return msgspec.structs.replace(made, **more)


def good(count: int, posts: set[int]) -> list[Record]:
    history: list[Record] = [
        Run(RUN, 1.0, 100, {"get": 1}, [Target("shop", "http://shop/", "a")]),
        Member("shop", "web-0", 0.0),
        Member("shop", "web-1", 0.0, 1e9),
        End(RUN, count, 99.0),
    ]
    for n in range(count):
        one = asked(n, method="POST" if n in posts else "GET")
        history += [one, executed(one)]
    return history


def _change(what: type, n: int, **more: object) -> Callable[[list[Record]], list[Record]]:
    def planted(history: list[Record]) -> list[Record]:
        return [
            msgspec.structs.replace(r, **more) if isinstance(r, what) and getattr(r, "id", "") == f"{RUN}-{n}" else r
            for r in history
        ]  # fmt: skip

    return planted


def _drop(what: type, n: int) -> Callable[[list[Record]], list[Record]]:
    def planted(history: list[Record]) -> list[Record]:
        return [r for r in history if not (isinstance(r, what) and getattr(r, "id", "") == f"{RUN}-{n}")]

    return planted


def _again(what: type, n: int) -> Callable[[list[Record]], list[Record]]:
    def planted(history: list[Record]) -> list[Record]:
        return history + [r for r in history if isinstance(r, what) and getattr(r, "id", "") == f"{RUN}-{n}"]

    return planted


def _late_member(history: list[Record]) -> list[Record]:
    """Have web-0 join only after the first answer has come."""
    return [
        msgspec.structs.replace(r, since=10.6) if isinstance(r, Member) and r.instance == "web-0" else r
        for r in history
    ]


def _left_member(history: list[Record]) -> list[Record]:
    """Have web-0 leave before the request of number 2 was sent."""
    return [
        msgspec.structs.replace(r, until=11.9) if isinstance(r, Member) and r.instance == "web-0" else r
        for r in history
    ]


# Number 0 is a GET by web-0, 1 a POST by web-1, 2 a GET by web-0.
PLANTED: dict[str, list[Callable[[list[Record]], list[Record]]]] = {
    "no outcome": [_drop(Asked, 0)],
    "two outcomes": [_again(Asked, 0)],
    "unfinished": [lambda history: [r for r in history if not isinstance(r, End)]],
    "failed": [
        _change(Asked, 0, status=0, error="closed before the answer"),
        _change(Asked, 0, status=503, instance=""),
        _change(Asked, 0, error="cut short"),
        _change(Asked, 0, status=404, instance=""),
    ],
    "executed twice": [_again(Executed, 1)],
    "not executed": [_drop(Executed, 0)],
    "never asked": [lambda history: [*history, executed(asked(4000))]],
    "wrong backend": [
        _change(Executed, 0, instance="other"), _change(Asked, 0, instance="other"), _late_member, _left_member
    ],
    "wrong tenant": [_change(Executed, 0, tenant="b"), _change(Asked, 0, tenant="b")],
    "wrong body": [_change(Asked, 0, body="changed"), _change(Executed, 0, gave="changed")],
    "wrong answer": [_change(Asked, 0, echoed=f"{RUN}-2")],
    "wrong request": [_change(Executed, 1, got="changed"), _change(Executed, 0, method="HEAD")],
}  # fmt: skip


@given(count=st.integers(3, 30), posts=st.sets(st.integers(3, 29)), order=st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_a_good_history_has_no_fault(count: int, posts: set[int], order: random.Random) -> None:
    """In whatever order its lines come, and whatever was tried again that may be."""
    history = good(count, posts | {1})
    history += [executed(asked(0))]
    order.shuffle(history)
    verdict = check(history)
    assert verdict.faults == []
    assert verdict.asked == count
    assert verdict.executed == count + 1
    assert verdict.judged == ["outcomes", "executions", "members", "tenants"]


@given(
    what=st.sampled_from(sorted(PLANTED)), count=st.integers(3, 12), order=st.randoms(use_true_random=False)
)
@settings(max_examples=80, deadline=None)
def test_a_planted_fault_is_found_and_no_other(what: str, count: int, order: random.Random) -> None:
    """Of every class, in histories of any size and order."""
    planted = order.choice(PLANTED[what])
    history = planted(good(count, {1}))
    order.shuffle(history)
    assert set(check(history).counts) == {what}


def test_every_class_of_fault_is_planted() -> None:
    """A class that nothing can bring about says nothing."""
    assert set(PLANTED) == set(CLASSES)


@pytest.mark.parametrize("what", sorted(PLANTED))
def test_each_way_to_plant_a_fault_is_found(what: str) -> None:
    """One by one."""
    for planted in PLANTED[what]:
        assert set(check(planted(good(4, {1}))).counts) == {what}


def test_an_error_that_a_backend_gave_is_no_failure_of_the_gateway() -> None:
    """It is told by the header that names the instance."""
    assert check(_change(Asked, 0, status=500)(good(3, {1}))).faults == []


def test_what_cannot_be_judged_is_not_claimed() -> None:
    """Without records of backends and members only outcomes are judged."""
    history: list[Record] = [r for r in good(3, {1}) if not isinstance(r, Executed | Member)]
    verdict = check(history)
    assert (verdict.judged, verdict.faults) == (["outcomes", "tenants"], [])
    assert set(check(_change(Asked, 0, claimed="other")(history)).counts) == {"wrong body"}


def test_histories_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    """A last line that was cut off is left out; newer fields are passed over; anything else is named by its line."""
    history, path = good(4, {1}), tmp_path / "h.jsonl"
    with Writer(path) as writer:
        for record in history:
            writer.write(record)
    with path.open("ab") as file:
        file.write(b'{"kind":"member","target":"t","instance":"i","colour":"red"}\n{"kind":"asked","id":')
    assert read([path]) == [*history, Member("t", "i")]
    path.write_text('{"kind":"end","run":"r","asked":0,"ended":1}\nnothing\n')
    with pytest.raises(BadHistory, match=r"h\.jsonl:2: no line of a history"):
        read([path])
    with pytest.raises(BadHistory, match="cannot be read"):
        read([tmp_path / "absent"])
