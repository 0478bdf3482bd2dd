"""What ghz reports is read right."""

from __future__ import annotations

import json

import pytest

from harness import ghz


def test_only_calls_that_were_answered_have_a_time() -> None:
    """The others are counted."""
    details = [{"latency": 1_500_000, "status": "OK"}, {"latency": 9, "status": "Unavailable"}]
    assert ghz.parse(json.dumps({"details": details})) == ghz.Calls([0.0015], 1)


@pytest.mark.parametrize("report", ['{"details": null}', '{"details": []}'])
def test_a_run_without_calls_has_none(report: str) -> None:
    """However ghz writes that."""
    assert ghz.parse(report) == ghz.Calls([], 0)
