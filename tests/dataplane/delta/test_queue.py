"""The push queue sends what is wanted in an order in which nothing ever names what is not there."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import model
from tidegate.dataplane.delta import MOST_ENTRIES, Batch, Parked, Queue, Urgency
from tidegate.model import Backend, Cause, Endpoint, Host, PathKind, Route, Rule

Entries = dict[str, bytes]


def host(*routes: str) -> bytes:
    return model.encode(Host(tuple(Rule(PathKind.PREFIX, f"/{name}", name) for name in routes)))


def route(backend: str, profile: str = "") -> bytes:
    return model.encode(Route(backend=backend, profile=profile))


def backend(*ports: int) -> bytes:
    return model.encode(Backend(tuple(Endpoint("10.0.0.1", port) for port in ports)))


def offer(
    queue: Queue, changes: Mapping[str, bytes | None], cause: str = "Ingress a/b", **more: Urgency
) -> None:
    queue.offer(changes, dict.fromkeys(changes, Cause(cause)), **more)


def send_all(queue: Queue) -> list[Batch]:
    sent = []
    while batch := queue.take():
        queue.acknowledge(batch)
        sent.append(batch)
    return sent


def test_what_is_in_force_is_not_sent_again() -> None:
    queue = Queue()
    queue.adopt([("b/x", backend(1))])
    offer(queue, {"b/x": backend(1)})
    assert queue.take() is None
    assert len(queue) == 0


def test_a_change_that_was_taken_back_before_it_left_is_not_sent() -> None:
    queue = Queue()
    queue.adopt([("b/x", backend(1))])
    offer(queue, {"b/x": backend(2)})
    offer(queue, {"b/x": backend(1)})
    assert queue.take() is None


def test_a_change_that_is_taken_back_while_it_is_out_is_undone_after_it() -> None:
    queue = Queue()
    queue.adopt([("b/x", backend(1))])
    offer(queue, {"b/x": backend(2)})
    batch = queue.take()
    assert batch is not None
    offer(queue, {"b/x": backend(1)})
    queue.acknowledge(batch)
    assert [dict(b.changes) for b in send_all(queue)] == [{"b/x": backend(1)}]


def test_the_newest_value_of_a_key_survives_a_push_that_failed() -> None:
    queue = Queue()
    offer(queue, {"b/x": backend(1), "b/y": backend(1)})
    batch = queue.take()
    assert batch is not None
    offer(queue, {"b/x": backend(2)})
    queue.give_back(batch)
    sent = [dict(b.changes) for b in send_all(queue)]
    assert {k: v for changes in sent for k, v in changes.items()} == {"b/x": backend(2), "b/y": backend(1)}


def test_entries_of_one_cause_stay_in_one_delta_however_many() -> None:
    queue = Queue()
    offer(queue, {f"b/{n}": backend(n) for n in range(3 * MOST_ENTRIES)})
    assert [len(batch.changes) for batch in send_all(queue)] == [3 * MOST_ENTRIES]


def test_many_causes_are_sent_in_deltas_of_a_bounded_size() -> None:
    queue = Queue()
    for n in range(1000):
        offer(queue, {f"b/{n}": backend(n)}, f"Ingress a/{n}")
    assert max(len(batch.changes) for batch in send_all(queue)) == MOST_ENTRIES


def test_what_is_named_goes_with_or_before_what_names_it() -> None:
    queue = Queue()
    offer(queue, {"h/main/x": host("r")}, "Ingress a/host")
    offer(queue, {"r/r": route("b")}, "Ingress a/route")
    offer(queue, {"b/b": backend(1)}, "Service a/b")
    (batch,) = send_all(queue)
    assert list(batch.changes) == ["b/b", "r/r", "h/main/x"]


def test_what_is_still_named_is_removed_only_once_it_is_not() -> None:
    queue = Queue()
    queue.adopt([("h/main/x", host("r")), ("r/r", route("b")), ("b/b", backend(1))])
    offer(queue, {"b/b": None}, "Service a/b")
    assert queue.take() is None
    offer(queue, {"r/r": None, "h/main/x": None}, "Ingress a/b")
    assert [list(batch.changes) for batch in send_all(queue)] == [["h/main/x", "r/r"], ["b/b"]]


def test_a_removal_in_the_same_cause_goes_with_what_named_it() -> None:
    queue = Queue()
    queue.adopt([("h/main/x", host("r")), ("r/r", route("b")), ("b/b", backend(1))])
    offer(queue, {"b/b": None, "r/r": None, "h/main/x": None})
    (batch,) = send_all(queue)
    assert list(batch.changes) == ["h/main/x", "r/r", "b/b"]


def test_endpoint_changes_go_before_edits_and_edits_before_a_resync() -> None:
    queue = Queue()
    queue.adopt([("b/x", backend(1, 2))])
    for n in range(MOST_ENTRIES):
        queue.resync({f"b/{n}": backend(n)}, Cause("resync"))
    offer(queue, {f"b/e{n}": backend(n) for n in range(MOST_ENTRIES)}, "Ingress a/b")
    offer(queue, {"b/x": backend(1)}, "EndpointSlice a/x-1")
    first, second, *_ = send_all(queue)
    assert list(first.changes) == ["b/x"]
    assert "b/e0" in second.changes


def test_endpoint_changes_go_without_anything_else_and_are_urgent_until_they_are_in_force() -> None:
    queue = Queue()
    queue.adopt([("b/x", backend(1, 2))])
    offer(queue, {"b/y": backend(1)}, "Ingress a/b")
    urgent = [queue.is_urgent]
    offer(queue, {"b/x": backend(1)}, "EndpointSlice a/x-1")
    urgent.append(queue.is_urgent)
    batch = queue.take()
    assert batch is not None
    assert list(batch.changes) == ["b/x"]
    urgent.append(queue.is_urgent)
    queue.acknowledge(batch)
    urgent.append(queue.is_urgent)
    assert urgent == [False, True, True, False]
    assert [list(b.changes) for b in send_all(queue)] == [["b/y"]]


def test_a_route_with_an_unknown_profile_waits_alone() -> None:
    queue = Queue()
    queue.know_profiles(["old"])
    queue.adopt([("r/r", route("b", "old")), ("b/b", backend(1, 2))])
    offer(queue, {"r/r": route("b", "new"), "b/b": backend(1)}, "Ingress a/b")
    offer(queue, {"b/other": backend(1)}, "Service a/other")
    assert {key for batch in send_all(queue) for key in batch.changes} == {"b/b", "b/other"}
    assert queue.missing_profiles() == {"new": frozenset({"r"})}


def test_a_known_profile_lets_its_route_go_with_the_one_before_beside_it() -> None:
    queue = Queue()
    queue.know_profiles(["old"])
    queue.adopt([("r/ns/r", route("b", "old"))])
    offer(queue, {"r/ns/r": route("b", "new")})
    assert queue.take() is None
    assert queue.missing_profiles() == {"new": frozenset({"ns"})}
    queue.know_profiles(["old", "new"])
    (batch,) = send_all(queue)
    sent = model.decode("r/ns/r", batch.changes["r/ns/r"] or b"")
    assert isinstance(sent, Route)
    assert (sent.profile, sent.profile_before) == ("new", "old")


def test_a_dumped_route_counts_as_what_was_wanted_of_it() -> None:
    queue = Queue()
    queue.know_profiles(["new"])
    queue.adopt([("r/r", model.encode(Route(backend="b", profile="new", profile_before="old")))])
    offer(queue, {"r/r": route("b", "new")})
    assert queue.take() is None


def test_a_refused_profile_leaves_the_route_the_one_in_force() -> None:
    queue = Queue()
    queue.know_profiles(["old"])
    queue.adopt([("r/r", route("b", "old"))])
    offer(queue, {"r/r": route("c", "bad"), "b/c": backend(1)})
    assert all("r/r" not in batch.changes for batch in send_all(queue))
    queue.refuse_profiles(["bad"])
    (batch,) = send_all(queue)
    assert batch.changes["r/r"] == route("c", "old")


def test_a_refused_profile_that_is_tried_again_makes_its_routes_wait_for_it_once_more() -> None:
    queue = Queue()
    queue.know_profiles(["old"])
    queue.adopt([("r/r", route("b", "old")), ("b/b", backend(1))])
    queue.refuse_profiles(["bad"])
    offer(queue, {"r/r": route("b", "bad")})
    (batch,) = send_all(queue)
    assert batch.changes["r/r"] == route("b", "old")
    queue.reconsider_profiles(["bad"])
    assert queue.missing_profiles() == {}
    assert send_all(queue) == []
    assert list(queue.missing_profiles()) == ["bad"]
    queue.know_profiles(["old", "bad"])
    (batch,) = send_all(queue)
    assert b'"bad"' in (batch.changes["r/r"] or b"")
    assert queue.profiles_in_force() == {"bad"}


def test_a_profile_that_is_tried_again_while_its_route_is_out_is_waited_for_after_it() -> None:
    queue = Queue()
    queue.refuse_profiles(["bad"])
    offer(queue, {"r/r": route("", "bad")})
    batch = queue.take()
    assert batch is not None
    queue.reconsider_profiles(["bad"])
    queue.acknowledge(batch)
    assert send_all(queue) == []
    assert list(queue.missing_profiles()) == ["bad"]


def test_an_endpoint_change_passes_a_group_that_waits() -> None:
    queue = Queue()
    queue.adopt([("b/b", backend(1, 2))])
    offer(queue, {"b/b": backend(1, 2, 3), "r/r": route("b", "new")}, "Ingress a/b")
    assert [set(batch.changes) for batch in send_all(queue)] == [{"b/b"}]
    offer(queue, {"b/b": backend(1)}, "EndpointSlice a/b")
    assert [set(batch.changes) for batch in send_all(queue)] == [{"b/b"}]


def test_after_a_full_store_each_group_is_tried_alone_and_only_the_large_one_waits() -> None:
    queue = Queue()
    offer(queue, {"b/large": backend(*range(100))}, "Ingress a/large")
    offer(queue, {"b/small": backend(1)}, "Ingress a/small")
    sent: Entries = {}
    while batch := queue.take():
        if "b/large" in batch.changes:
            queue.set_aside(batch)
        else:
            queue.acknowledge(batch)
            sent |= {key: value for key, value in batch.changes.items() if value}
    assert set(sent) == {"b/small"}
    assert [group.causes for group in queue.parked(Parked.FULL)] == [(Cause("Ingress a/large"),)]
    queue.retry_full()
    assert [set(batch.changes) for batch in send_all(queue)] == [{"b/large"}]


def test_a_removal_that_does_not_fit_is_made_in_parts_names_first() -> None:
    queue = Queue()
    queue.adopt([("h/main/x", host("r")), ("r/r", route("b")), ("b/b", backend(1))])
    offer(queue, {"b/b": None, "r/r": None, "h/main/x": None})
    removed: list[str] = []
    while batch := queue.take():
        if len(batch.changes) > 1:
            queue.set_aside(batch)
        else:
            queue.acknowledge(batch)
            removed += batch.changes
    assert removed == ["h/main/x", "r/r", "b/b"]


def test_what_was_offered_up_to_a_mark_is_done_once_it_is_in_force() -> None:
    queue = Queue()
    offer(queue, {"b/x": backend(1)})
    mark = queue.mark
    batch = queue.take()
    assert batch is not None
    assert not queue.is_done(mark)
    queue.acknowledge(batch)
    offer(queue, {"b/y": backend(1)})
    assert queue.is_done(mark)


def test_two_batches_are_never_out_at_once() -> None:
    queue = Queue()
    offer(queue, {"b/x": backend(1)})
    queue.take()
    with pytest.raises(RuntimeError):
        queue.take()


# --- any history --------------------------------------------------------------------------------------------

NAMES = st.sampled_from("abc")
MODELS = st.dictionaries(
    NAMES, st.dictionaries(NAMES, st.tuples(NAMES, st.sampled_from(["", "p1", "p2"]), st.integers(1, 3)))
)
OUTCOMES = st.sampled_from(["in force", "in force", "lost", "full"])


def entries_of(wanted: Mapping[str, Mapping[str, tuple[str, str, int]]]) -> tuple[Entries, dict[str, Cause]]:
    """Give a model of hosts with routes to backends, consistent in itself, with a cause for each entry."""
    entries: Entries = {}
    causes: dict[str, Cause] = {}
    for name, routes in wanted.items():
        entries[f"h/main/{name}"] = host(*(f"{name}/{r}" for r in routes))
        causes[f"h/main/{name}"] = Cause(f"Ingress a/{name}")
        for r, (b, profile, port) in routes.items():
            entries[f"r/{name}/{r}"] = route(b, profile)
            causes[f"r/{name}/{r}"] = Cause(f"Ingress a/{name}")
            entries[f"b/{b}"] = backend(port)
            causes[f"b/{b}"] = Cause(f"EndpointSlice a/{b}")
    return entries, causes


def is_whole(entries: Mapping[str, bytes]) -> bool:
    """Tell whether everything that is named is there."""
    for key, value in entries.items():
        match model.decode(key, value):
            case Host(rules=rules) if any(f"r/{rule.route}" not in entries for rule in rules):
                return False
            case Route(backend=name) if f"b/{name}" not in entries:
                return False
    return True


@given(st.lists(MODELS, max_size=6), st.lists(OUTCOMES), st.integers(0, 3))
def test_any_history_keeps_nginx_whole_and_ends_with_what_is_wanted(
    models: list[dict[str, dict[str, tuple[str, str, int]]]], outcomes: list[str], pushes: int
) -> None:
    queue = Queue()
    nginx: Entries = {}
    before: Entries = {}
    causes: dict[str, Cause] = {}

    def push() -> bool:
        batch = queue.take()
        if batch is None:
            return False
        outcome = outcomes.pop() if outcomes else "in force"
        if outcome == "lost":
            queue.give_back(batch)
        elif outcome == "full":
            queue.set_aside(batch)
        else:
            for key, value in batch.changes.items():
                nginx.pop(key, None)
                if value is not None:
                    nginx[key] = value
            assert is_whole(nginx)
            queue.acknowledge(batch)
        return True

    for wanted in models:
        now, new_causes = entries_of(wanted)
        causes |= new_causes
        changes: dict[str, bytes | None] = {key: None for key in before if key not in now}
        changes |= {key: value for key, value in now.items() if before.get(key) != value}
        queue.offer(changes, causes)
        before = now
        for _ in range(pushes):
            push()
    queue.know_profiles(["p1", "p2"])
    while push() or queue.parked(Parked.FULL):
        queue.retry_full()
    assert len(queue) == 0
    undone = Queue()
    undone.adopt(nginx.items())
    undone.know_profiles(["p1", "p2"])
    offer(undone, before)
    assert undone.take() is None
    assert set(nginx) == set(before)
