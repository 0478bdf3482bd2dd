"""h2load, the saturating load by HTTP/2: run it, and read what it counted."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from harness import programs, wrk

STREAMS = 8
"""Requests at once on each connection."""

_FINISHED = re.compile(r"finished in ([\d.]+)(us|ms|s|m)\b")
_REQUESTS = re.compile(
    r"requests: .*?(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout"
)
_STATUSES = re.compile(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def parse(output: str) -> wrk.Load:
    """Read h2load's report. Raises ``ValueError`` if there is none."""
    finished, requests, statuses = (p.search(output) for p in (_FINISHED, _REQUESTS, _STATUSES))
    if not (finished and requests and statuses):
        raise ValueError(f"h2load gave no report:\n{output}")
    done, _, failed, errored, timeouts = (int(n) for n in requests.groups())
    good = int(statuses[1])
    seconds = float(finished[1]) * _UNITS[finished[2]]
    return wrk.Load(done, seconds, 0, failed, errored, timeouts, max(done - good, 0))


def run(
    target: wrk.Target,
    *,
    seconds: int,
    connections: int = 32,
    cores: Sequence[int] = (),
    body: Path | None = None,
) -> wrk.Load:
    """Ask for the one path of a target, for some whole seconds, and return what was counted; with a body, by POST."""
    (_, path, headers), *others = target.requests
    assert not others, "h2load asks for one thing"
    url = urlsplit(target.url)
    pinned = ["taskset", "-c", ",".join(str(c) for c in cores)] if cores else []
    more = [f"-H{name}: {value}" for name, value in headers.items() if name != "Host"]
    if body:
        more.append(f"-d{body}")
    argv = [
        *programs.tool("h2load"), *more, "-t1", f"-c{connections}", f"-m{STREAMS}", f"-D{seconds}",
        f"--connect-to={url.hostname}:{url.port}", f"{url.scheme}://{headers['Host']}{path}",
    ]  # fmt: skip
    done = subprocess.run([*pinned, *argv], capture_output=True, text=True, check=False, timeout=seconds + 60)
    return parse(done.stdout + done.stderr)
