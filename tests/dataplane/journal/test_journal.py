"""The journal keeps what was appended, through cuts, full disks and merging."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.dataplane.journal import (
    Journal,
    Malformed,
    _compaction,
    _journal,
    _state,
    files,
    for_nginx,
    history,
)
from tidegate.model import Cause, Delta


def delta(version: int, base: int, changes: Mapping[str, bytes | None], *causes: Cause) -> bytes:
    return Delta(version, base, 1000.0 + version, changes, causes).to_bytes()


def entries(folder: Path) -> dict[str, bytes]:
    return {k.decode(): bytes(v) for k, v in _state.load(folder).entries.items()}


def only_segment(folder: Path) -> Path:
    return files.segment(folder, files.segments(folder)[-1])


def test_what_is_appended_is_there_after_reopening(tmp_path: Path) -> None:
    """A journal that is opened again holds each change, in order, and goes on from the last version."""
    journal = Journal(tmp_path)
    assert journal.append(delta(1, 0, {"a": b"1", "b": b"2"}))
    assert journal.append(delta(2, 1, {"a": None, "c": b"3"}))
    journal.close()
    journal = Journal(tmp_path)
    assert (journal.version, journal.persisted, journal.cut) == (2, True, 0)
    assert journal.append(delta(3, 2, {"b": b"4"}))
    journal.close()
    assert entries(tmp_path) == {"b": b"4", "c": b"3"}


def test_a_delta_of_base_zero_replaces_everything(tmp_path: Path) -> None:
    """Base 0 means that entries which it does not name are gone."""
    journal = Journal(tmp_path)
    journal.append(delta(1, 0, {"a": b"1", "o/x": b"{}"}))
    journal.append(delta(7, 0, {"b": b"2"}))
    journal.close()
    assert entries(tmp_path) == {"b": b"2"}
    assert Journal(tmp_path).version == 7


def test_one_change_writes_only_itself(tmp_path: Path) -> None:
    """The bytes written for a change do not depend on how much is held."""
    journal = Journal(tmp_path)
    journal.append(delta(1, 0, {f"r/{n}": b"x" * 100 for n in range(10_000)}))
    before = only_segment(tmp_path).stat().st_size
    small = delta(2, 1, {"r/5": b"y"})
    journal.append(small)
    assert only_segment(tmp_path).stat().st_size - before <= len(small) + 16
    journal.close()


def test_files_are_private(tmp_path: Path) -> None:
    """No other user can read the journal: it holds private keys."""
    folder = tmp_path / "journal"
    journal = Journal(folder)
    journal.append(delta(1, 0, {"a": b"1"}))
    _compaction.compact(folder, journal.rotate())
    journal.close()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in folder.iterdir()} == {0o600}


def test_an_end_torn_anywhere_is_cut_and_the_rest_is_kept(tmp_path: Path) -> None:
    """Whatever byte a write stopped at, the changes before it are there and new ones follow them."""
    whole = tmp_path / "whole"
    journal = Journal(whole)
    states: list[dict[str, bytes]] = [{}]
    sizes = [0]
    for version in range(1, 4):
        journal.append(delta(version, version - 1, {"k": b"%d" % version, f"n{version}": b"\n\0TGJ1"}))
        states.append(entries(whole))
        sizes.append(only_segment(whole).stat().st_size)
    journal.close()
    data = only_segment(whole).read_bytes()
    for cut in range(len(data) + 1):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        files.segment(folder, 1).write_bytes(data[:cut])
        kept = max(n for n, size in enumerate(sizes) if size <= cut)
        assert entries(folder) == states[kept]
        journal = Journal(folder)
        assert (journal.version, journal.cut) == (kept, cut - sizes[kept])
        assert journal.append(delta(kept + 1, kept, {"after": b"x"}))
        journal.close()
        assert entries(folder) == {**states[kept], "after": b"x"}


@pytest.mark.parametrize("at", [0, 5, 9, 13, 40])
def test_a_flipped_bit_ends_the_replay_there(tmp_path: Path, at: int) -> None:
    """A damaged record is never taken for a change, nor is what builds on it."""
    journal = Journal(tmp_path)
    journal.append(delta(1, 0, {"a": b"1"}))
    first = only_segment(tmp_path).stat().st_size
    journal.append(delta(2, 1, {"a": b"2"}))
    journal.append(delta(3, 2, {"a": b"3"}))
    journal.close()
    data = bytearray(only_segment(tmp_path).read_bytes())
    data[first + at] ^= 0x40
    only_segment(tmp_path).write_bytes(data)
    assert entries(tmp_path) == {"a": b"1"}
    assert Journal(tmp_path).version == 1


def test_zeros_after_a_power_cut_are_cut_off(tmp_path: Path) -> None:
    """Blocks that the file system added but never filled are no records."""
    journal = Journal(tmp_path)
    journal.append(delta(1, 0, {"a": b"1"}))
    journal.close()
    with only_segment(tmp_path).open("ab") as file:
        file.write(bytes(4096))
    journal = Journal(tmp_path)
    assert (journal.version, journal.cut) == (1, 4096)
    journal.close()


def test_a_delta_that_does_not_fit_waits_for_a_full_one(tmp_path: Path) -> None:
    """A gap in the versions is never papered over: only base 0 ends it."""
    journal = Journal(tmp_path)
    journal.append(delta(1, 0, {"a": b"1"}))
    assert not journal.append(delta(3, 2, {"a": b"3"}))
    assert not journal.append(delta(4, 3, {"a": b"4"}))
    assert journal.behind
    assert entries(tmp_path) == {"a": b"1"}
    assert journal.append(delta(5, 0, {"a": b"5"}))
    assert journal.persisted
    journal.close()
    assert entries(tmp_path) == {"a": b"5"}


KEYS = st.sampled_from(["g", "h/main/a", "r/x", "o/Ingress/a/b", "b/ns/s/80"])
CHANGES = st.dictionaries(KEYS, st.none() | st.binary(max_size=40), max_size=5)
KINDS = st.sampled_from(["delta", "delta", "full", "rotate", "compact", "reopen"])
STEPS = st.lists(st.tuples(KINDS, CHANGES), max_size=25)


@given(STEPS)
@settings(deadline=None)
def test_merging_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, dict[str, bytes | None]]]
) -> None:
    """However rotations, compactions and restarts fall, the entries are those of replaying every delta."""
    folder = tmp_path_factory.mktemp("journal")
    journal, version = Journal(folder), 0
    expected: dict[str, bytes | None] = {}
    for step, changes in steps:
        if step in {"delta", "full"}:
            base = version if step == "delta" else 0
            version += 1
            expected = {} if base == 0 else expected
            expected.update(changes)
            assert journal.append(delta(version, base, changes))
        elif step == "rotate":
            journal.rotate()
        elif step == "compact" and (upto := journal.rotate()):
            _compaction.compact(folder, upto)
            journal.compacted(upto)
        elif step == "reopen":
            journal.close()
            journal = Journal(folder)
        assert journal.version == version
        assert _state.load(folder).version == version
        assert entries(folder) == {k: v for k, v in expected.items() if v is not None}
    journal.close()


def test_a_snapshot_larger_than_one_part_is_read_whole(tmp_path: Path) -> None:
    """A snapshot of several megabytes gives back every entry."""
    journal = Journal(tmp_path)
    changes = {f"r/{n}": os.urandom(50_000) for n in range(70)}
    journal.append(delta(1, 0, changes))
    upto = journal.rotate()
    _compaction.compact(tmp_path, upto)
    journal.compacted(upto)
    assert not journal.compaction_due
    files.segment(tmp_path, upto).unlink()
    journal.close()
    assert entries(tmp_path) == changes
    assert Journal(tmp_path).version == 1


def test_compaction_is_due_once_the_journal_outgrows_the_snapshot(tmp_path: Path) -> None:
    """Merging is rare enough to cost no more than the changes, and the history stays bounded."""
    journal = Journal(tmp_path)
    journal.append(delta(1, 0, {"a": bytes(5_000_000)}))
    assert [journal.compaction_due] == [True]
    upto = journal.rotate()
    _compaction.compact(tmp_path, upto)
    journal.compacted(upto)
    journal.append(delta(2, 1, {"b": bytes(4_500_000)}))
    assert [journal.compaction_due] == [False]
    journal.append(delta(3, 2, {"b": bytes(1_000_000)}))
    assert [journal.compaction_due] == [True]
    journal.close()


def test_history_is_pruned_from_its_old_end(tmp_path: Path) -> None:
    """Merged segments stay as history until they are too much or too old."""
    journal = Journal(tmp_path)
    for version in range(1, 6):
        journal.append(delta(version, version - 1, {"a": bytes(1000)}))
        journal.rotate()
    _compaction.prune(tmp_path, 4, most=2500)
    assert files.segments(tmp_path) == [3, 4, 5, 6]
    _compaction.prune(tmp_path, 4, now=files.segment(tmp_path, 4).stat().st_mtime + 8 * 24 * 3600)
    assert files.segments(tmp_path) == [5, 6]
    journal.close()


def test_history_tells_version_time_cause_and_keys(tmp_path: Path) -> None:
    """The journal answers what changed when and why, over merged segments too."""
    journal = Journal(tmp_path / "journal")
    cause = Cause("Ingress shop/cart", ("spec.rules",))
    journal.append(delta(1, 0, {"r/a": b"1", "g": b"{}"}, Cause("ConfigMap x/y", action="added")))
    _compaction.compact(tmp_path / "journal", journal.rotate())
    journal.append(delta(2, 1, {"r/a": None, "b/x": b"1"}, cause))
    journal.close()
    first, second = history(tmp_path)
    assert (first.version, first.full, first.keys, first.causes[0].action) == (1, True, ("r/a", "g"), "added")
    assert (second.version, second.time, second.full) == (2, 1002.0, False)
    assert (second.causes[0].object, second.causes[0].fields) == (cause.object, cause.fields)
    assert [c.keys for c in history(tmp_path, key="r/")] == [("r/a",), ("r/a",)]
    assert [c.version for c in history(tmp_path, key="b/")] == [2]
    assert [c.version for c in history(tmp_path, since=1001.5)] == [2]


def test_what_only_the_disk_holds_does_not_go_to_nginx() -> None:
    """Entries under ``o/`` are left out, everything else arrives unchanged."""
    changes = {"o/a": b"1", "r/a": b"2", "r/b": None, "o/b": None, "g": b"3", "o/c": b"4"}
    parts = for_nginx(delta(5, 4, changes, Cause("Ingress a/b")))
    sent = b"".join(parts.pieces)
    assert len(sent) == parts.size
    assert Delta.from_bytes(sent) == Delta(
        5, 4, 1005.0, {"r/a": b"2", "r/b": None, "g": b"3"}, (Cause("Ingress a/b"),)
    )


CUT, LONGER = delta(1, 0, {"a": b"1"})[:-1], delta(1, 0, {}) + b"X"


@pytest.mark.parametrize("wrong", [b"", b"{}", b"{}\n", b'{"version":1}\n', CUT, LONGER])
def test_bytes_that_are_no_delta_are_refused(wrong: bytes) -> None:
    """Nothing that is cut or foreign gets past the keeper."""
    with pytest.raises(Malformed):
        for_nginx(wrong)


LIMITED = """
import resource, sys
from pathlib import Path
from tidegate.dataplane.journal import Journal
from tidegate.model import Delta

journal = Journal(Path(sys.argv[1]))
def push(version, size):
    return journal.append(Delta(version, version - 1, 0.0, {"k%d" % version: bytes(size)}).to_bytes())

assert push(1, 1000)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
assert not push(2, 10_000), "the limit held nothing back"
assert not push(3, 10)
assert journal.trouble and not journal.persisted and journal.version == 3
assert (Path(sys.argv[1]) / "journal.0000000001").stat().st_size < 1200, "half a record was left"
assert not journal.retry()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert journal.retry() and journal.persisted and not journal.trouble
assert push(4, 10)
"""


def test_a_full_disk_loses_nothing_once_it_takes_data_again(tmp_path: Path) -> None:
    """Deltas wait in memory while the disk refuses, and follow in order, with no half record between them."""
    subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], check=True)
    assert sorted(entries(tmp_path)) == ["k1", "k2", "k3", "k4"]


def test_a_disk_full_for_long_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a bound the waiting deltas are given up, and only a full one is taken then."""
    monkeypatch.setattr(_journal, "MOST_WAITING", 3000)
    journal = Journal(tmp_path)
    monkeypatch.setattr(journal, "_write", lambda _delta: False)
    for version in range(1, 6):
        journal.append(delta(version, version - 1, {"k": bytes(1000)}))
    assert journal.behind
    assert journal.waiting == b""
    monkeypatch.undo()
    assert not journal.append(delta(6, 5, {"k": b""}))
    assert journal.append(delta(7, 0, {"k": b"7"}))
    journal.close()
    assert entries(tmp_path) == {"k": b"7"}


def run(*arguments: object, stdin: bytes = b"") -> bytes:
    command = [sys.executable, "-m", "tidegate.dataplane.journal", *map(str, arguments)]
    return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, check=True).stdout


def test_the_helper_process_merges_and_writes(tmp_path: Path) -> None:
    """``restore`` and ``dump`` give one delta of everything, waiting records included, ``o/`` only in the second."""
    folder = tmp_path / "journal"
    journal = Journal(folder)
    journal.append(delta(1, 0, {"a": b"1", "o/x": b"{}"}))
    run("compact", folder, journal.rotate())
    waiting = Journal(tmp_path / "other")
    waiting.version = 1
    waiting._fd, closed = os.open("/dev/full", os.O_WRONLY), waiting._fd
    os.close(closed)
    waiting.append(delta(2, 1, {"b": b"2"}))
    assert run("restore", folder, tmp_path / "restore", stdin=waiting.waiting) == b"2"
    dumped = Delta.from_bytes(run("dump", folder, stdin=waiting.waiting))
    journal.close()
    waiting.close()
    restored = Delta.from_bytes((tmp_path / "restore").read_bytes())
    assert restored == Delta(2, 0, 1002.0, {"a": b"1", "b": b"2"})
    assert dumped.changes == {"a": b"1", "o/x": b"{}", "b": b"2"}


def test_what_nginx_holds_becomes_the_new_base(tmp_path: Path) -> None:
    """``rebase`` gives what nginx has, with the entries that only the disk has, at nginx's version."""
    journal = Journal(tmp_path)
    journal.append(delta(1, 0, {"a": b"1", "gone": b"1", "o/x": b"{}"}))
    journal.lose_track()
    full = run("rebase", tmp_path, stdin=delta(9, 0, {"a": b"2", "new": b"3"}))
    assert journal.append(full)
    journal.close()
    assert entries(tmp_path) == {"a": b"2", "new": b"3", "o/x": b"{}"}
    assert Journal(tmp_path).version == 9
