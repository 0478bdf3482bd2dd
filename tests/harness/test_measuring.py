"""What the benchmarks read their figures from: wrk's report, and CPU time of processes."""

from __future__ import annotations

import os
import time

import pytest

from harness import cpu, http, nginx, waiting, wrk

REPORT = """\
Running 2s test @ http://127.0.0.1:1/
  1 threads and 32 connections
  38282 requests in 2.00s, 40.50MB read
  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 5
Requests/sec:  19129.33
"""


def test_every_kind_of_error_in_a_report_is_counted() -> None:
    """None is taken for another."""
    load = wrk.parse(REPORT)
    assert (load.requests, load.seconds) == (38282, 2.0)
    assert (load.connect_errors, load.read_errors, load.write_errors, load.timeouts, load.non_2xx) == (
        1,
        2,
        3,
        4,
        5,
    )
    assert load.errors == 15


def test_a_report_that_is_none_is_an_error() -> None:
    """A run that failed must not count as zero errors."""
    with pytest.raises(ValueError, match="no report"):
        wrk.parse("unable to connect")


def test_cpu_time_is_what_the_process_used() -> None:
    """Busy time counts, sleep does not."""
    before, start = cpu.read([os.getpid()]), time.process_time()
    while time.process_time() - start < 0.2:
        pass
    time.sleep(0.2)
    used = cpu.read([os.getpid()]).since(before)
    assert used.total == pytest.approx(time.process_time() - start, abs=0.1)


def test_wrk_loads_a_fast_backend_with_several_requests_in_turn() -> None:
    """And each of them is answered with the body asked for."""
    port = waiting.free_ports(1)[0]
    with nginx.fast_backend(port, size=100) as backend:
        assert len(http.get(port).body) == 100
        sent = [("GET", f"/{i}", {"Host": f"h{i}"}) for i in range(3)]
        load = wrk.run(wrk.Target(f"http://127.0.0.1:{port}", sent), seconds=1, connections=2)
        assert load.requests > 100
        assert load.errors == 0
        assert backend.error_log == ""


def test_an_nginx_that_cannot_start_says_why() -> None:
    """Its error log is in the exception."""
    with pytest.raises(RuntimeError, match="unknown directive"), nginx.Nginx("events {} nonsense on;"):
        pass
