"""`tidegate ledger`: the commands, their files and exit codes, as a user runs them."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import http, programs, waiting


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*programs.tidegate(), "ledger", *map(str, words)],
        capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    port, history = waiting.free_ports(1)[0], tmp_path / "web-0.jsonl"
    flags = ["--port", str(port), "--instance", "web-0", "--tenant", "a", "--history", str(history)]
    process = subprocess.Popen([*programs.tidegate(), "ledger", "backend", *flags])
    waiting.until(lambda: http.get(port, "/").status == 200)
    yield f"http://127.0.0.1:{port}/", history
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_a_load_is_judged_at_once_and_again_later(backend: tuple[str, Path], tmp_path: Path) -> None:
    """By the histories of both sides; a member that was none, or another tenant, is found."""
    url, theirs = backend
    mine, members = tmp_path / "client.jsonl", tmp_path / "members.jsonl"
    done = run("run", f"shop@a={url}", "--rate", "200", "--seconds", "0.5", "--mix", "get=3,post=1",
               "--history", mine, "--check-with", theirs, "--output", "json")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["asked"], told["executed"], told["counts"]) == (100, 100, {})
    members.write_text('{"kind":"member","target":"shop","instance":"web-1"}\n')
    done = run("check", mine, theirs, members)
    assert done.returncode == 1
    assert "wrong backend" in done.stdout
    done = run("check", mine, theirs)
    assert done.returncode == 0, done.stdout
    assert "nothing is wrong" in done.stdout


def test_exit_codes_tell_wrong_use_from_a_failed_world(tmp_path: Path) -> None:
    """And what would be accepted."""
    cases: list[tuple[int, list[str], str]] = [
        (2, ["run"], "no target"),
        (2, ["run", "nonsense"], "wants a URL"),
        (2, ["run", "http://a/", "--mix", "put=1"], "it wants shares"),
        (2, ["run", "http://a/", "--via", "a"], "ADDRESS:PORT"),
        (2, ["run", "http://a/", "--rate", "0"], "more than 0"),
        (2, ["run", "http://a/", "--ca", str(tmp_path / "absent")], "file of certificates"),
        (2, ["check"], "no history"),
        (3, ["check", str(tmp_path / "absent")], "cannot be read"),
        (3, ["run", "http://a/", "--history", str(tmp_path / "no" / "folder")], "cannot be written"),
    ]
    for code, words, why in cases:
        done = run(*words)
        assert done.returncode == code, (words, done.stderr)
        assert why in " ".join(done.stderr.split()), (words, done.stderr)
