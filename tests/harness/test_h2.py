"""Reports of h2load and h2spec are read as they are meant."""

from __future__ import annotations

import pytest

from harness import h2load, h2spec

REPORT = """
finished in 3.05s, 30500.10 req/s, 33.25MB/s
requests: 91518 total, 91582 started, 91518 done, 91500 succeeded, 10 failed, 2 errored, 6 timeout
status codes: 91510 2xx, 0 3xx, 0 4xx, 8 5xx
"""
SPEC = """<?xml version="1.0"?><testsuites>
<testsuite name="a" package="http2/4.2"><testcase package="http2/4.2" classname="one"></testcase>
<testcase package="http2/4.2" classname="two"><failure>why</failure></testcase>
<testcase package="http2/5" classname="three"><skipped></skipped></testcase>
<testcase package="http2/5" classname="four"><error>how</error></testcase></testsuite></testsuites>"""


def test_everything_that_was_no_good_answer_is_an_error() -> None:
    """In seconds, whatever the unit."""
    load = h2load.parse(REPORT)
    assert (load.requests, load.seconds, load.errors) == (91518, 3.05, 10 + 2 + 6 + 8)
    assert h2load.parse(REPORT.replace("3.05s", "305.00ms")).seconds == pytest.approx(0.305)


def test_no_report_is_said() -> None:
    """With what came in its place."""
    with pytest.raises(ValueError, match="could not connect"):
        h2load.parse("could not connect")


def test_cases_are_told_apart_by_their_result() -> None:
    """An error of the tester counts as not passed."""
    verdict = h2spec.parse(SPEC)
    assert verdict.passed == {"http2/4.2 one"}
    assert verdict.failed == {"http2/4.2 two", "http2/5 four"}
    assert verdict.skipped == {"http2/5 three"}
