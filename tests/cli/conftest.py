"""Commands run in this process, and their output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
import structlog

from tidegate.cli import _output
from tidegate.cli._app import run_command


class Done(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("TIDEGATE_CONFIG", "TIDEGATE_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)

    def run_one(*words: str) -> Done:
        _output.console.cache_clear()
        code = run_command(words)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run_one


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Take back what a command set up: a log on the standard error of its test, which is closed by now."""
    yield
    structlog.reset_defaults()
