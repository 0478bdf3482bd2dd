"""ghz, the load by gRPC at a chosen rate: run it, and read how long each call took."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import gotools

_PROTO = """syntax = "proto3";
package harness;
message Bytes { bytes data = 1; }
service Echo { rpc Unary(Bytes) returns (Bytes); }
"""

MESSAGE = b"\x0a\x05hello"
"""What each call sends, as its schema writes it."""


@dataclass(frozen=True, slots=True)
class Calls:
    """What became of the calls."""

    seconds: list[float]
    """Of each call that was answered as it should be."""
    bad: int
    """All others."""


def run(
    port: int, host: str, *, seconds: float, rate: int, clients: int = 4, cores: Sequence[int] = ()
) -> Calls:
    """Call ``harness.Echo/Unary`` on loopback without TLS, ``rate`` times a second. Raises ``gotools.NotBuilt``."""
    pinned = ["taskset", "-c", ",".join(str(c) for c in cores)] if cores else []
    with tempfile.TemporaryDirectory(prefix="tidegate-ghz-") as folder:
        schema = Path(folder) / "echo.proto"
        schema.write_text(_PROTO)
        argv = [
            *pinned, *gotools.tool("ghz"), "--insecure", f"--proto={schema}", "--call=harness.Echo/Unary",
            '--data={"data":"aGVsbG8="}', f"--authority={host}", f"--rps={rate}", f"-c{clients}",
            f"--connections={clients}", f"-z{seconds:g}s", "--duration-stop=wait", "-Ojson", f"127.0.0.1:{port}",
        ]  # fmt: skip
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=seconds + 60)
    if done.returncode:
        raise RuntimeError(f"ghz ended with {done.returncode}:\n{done.stdout[-500:]}{done.stderr[-2000:]}")
    return parse(done.stdout)


def parse(report: str) -> Calls:
    """Read ghz's report in JSON."""
    details = json.loads(report)["details"] or []
    good = [call["latency"] / 1e9 for call in details if call["status"] == "OK"]
    return Calls(good, len(details) - len(good))
