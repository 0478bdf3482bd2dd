"""wrk, the saturating load: run it, and read what it counted."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import programs


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk counted."""

    requests: int
    seconds: float
    connect_errors: int = 0
    read_errors: int = 0
    write_errors: int = 0
    timeouts: int = 0
    non_2xx: int = 0

    @property
    def errors(self) -> int:
        """Everything that was not a good answer."""
        return self.connect_errors + self.read_errors + self.write_errors + self.timeouts + self.non_2xx


@dataclass(frozen=True, slots=True)
class Target:
    """Requests that wrk sends in turn: (method, path, headers)."""

    url: str
    """``http://address:port`` or ``https://…``."""
    requests: Sequence[tuple[str, str, dict[str, str]]] = (("GET", "/", {}),)


_SCRIPT = """
local sent = {{}}
for line in io.lines("{file}") do
    local method, path, host = line:match("^(%S+) (%S+) (%S*)$")
    local headers = {{}}
    if host ~= "" then headers["Host"] = host end
    sent[#sent + 1] = {{method, path, headers}}
end
local formatted, at, n = {{}}, 0, #sent
function init(args)
    for i, r in ipairs(sent) do formatted[i] = wrk.format(r[1], r[2], r[3]) end
end
function request()
    at = at + 1
    if at > n then at = 1 end
    return formatted[at]
end
"""

_COUNTED = re.compile(r"(\d+) requests in ([\d.]+)(us|ms|s|m)\b")
_SOCKET = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_STATUS = re.compile(r"Non-2xx or 3xx responses: (\d+)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def command(target: Target, folder: Path, *, seconds: int, connections: int) -> list[str]:
    """Give the command line, with the script (if several requests need one) written into ``folder``."""
    argv = [*programs.tool("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s"]
    if len(target.requests) == 1:
        method, path, headers = target.requests[0]
        if method == "GET":
            for name, value in headers.items():
                argv += ["-H", f"{name}: {value}"]
            return [*argv, f"{target.url}{path}"]
    listed, script = folder / "requests.txt", folder / "requests.lua"
    listed.write_text("".join(f"{m} {p} {h.get('Host', '')}\n" for m, p, h in target.requests))
    script.write_text(_SCRIPT.format(file=listed))
    return [*argv, "-s", str(script), target.url]


def parse(output: str) -> Load:
    """Read wrk's report. Raises ``ValueError`` if there is none."""
    counted = _COUNTED.search(output)
    if not counted:
        raise ValueError(f"wrk gave no report:\n{output}")
    socket, status = _SOCKET.search(output), _STATUS.search(output)
    connect, read, write, timeout = (int(n) for n in socket.groups()) if socket else (0, 0, 0, 0)
    seconds = float(counted[2]) * _UNITS[counted[3]]
    return Load(int(counted[1]), seconds, connect, read, write, timeout, int(status[1]) if status else 0)


def run(
    target: Target,
    *,
    seconds: int,
    connections: int = 32,
    cores: Sequence[int] = (),
) -> Load:
    """Send requests for some whole seconds (wrk knows no others) and return what was counted."""
    pinned = ["taskset", "-c", ",".join(str(c) for c in cores)] if cores else []
    with tempfile.TemporaryDirectory(prefix="tidegate-wrk-") as name:
        argv = command(target, Path(name), seconds=seconds, connections=connections)
        done = subprocess.run(
            [*pinned, *argv], capture_output=True, text=True, check=False, timeout=seconds + 60
        )
    return parse(done.stdout + done.stderr)
