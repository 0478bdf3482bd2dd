"""``python -m bench [NAME…]``: run groups of benchmarks, print one table, write each group's rows as JSON.

Rows go to ``bench/results/NAME.json``, or into the folder that ``BENCH_RESULTS`` names. ``BENCH_QUICK=1`` makes
everything small and short: it shows that the benchmarks run, not what the gateway does, and writes only where
``BENCH_RESULTS`` says. Exit code 0 if every target holds, 1 if one does not, 2 for a name that is none.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import (
    _report,
    access_log,
    balancing,
    errors,
    grpc_cost,
    grpc_streams,
    health,
    loss,
    memory,
    peers,
    pools,
    propagation,
    protocols,
    reloads,
    request_path,
    resilience,
    scale,
    stream,
    tls,
    tracing,
)

Group = Callable[[bool, _report.Told], Sequence[_report.Row]]

GROUPS: dict[str, Group] = {
    "request-path": request_path.rows,
    "propagation": propagation.rows,
    "scale": scale.rows,
    "memory": memory.rows,
    "reloads": reloads.rows,
    "loss": loss.rows,
    "balancing": balancing.rows,
    "protocols": protocols.rows,
    "grpc": grpc_cost.rows,
    "grpc-streams": grpc_streams.rows,
    "pools": pools.rows,
    "stream": stream.rows,
    "resilience": resilience.rows,
    "tls": tls.rows,
    "errors": errors.rows,
    "access-log": access_log.rows,
    "health": health.rows,
    "peers": peers.rows,
    "tracing": tracing.rows,
}


PIPELINE = ("request-path", "propagation", "scale", "memory", "reloads", "loss")
"""The main job from folder to traffic: what is run if nothing is named. ``all`` names every group."""


PARTS = ("health",)
"""Groups that ``resilience`` runs too."""


def main(names: Sequence[str]) -> int:
    """Run the named groups, or all: then those that are parts of another one only there."""
    if unknown := [n for n in names if n not in GROUPS and n != "all"]:
        print(f"no such group: {', '.join(unknown)}; there are {', '.join(GROUPS)} and all", file=sys.stderr)
        return 2
    quick = os.environ.get("BENCH_QUICK", "") not in {"", "0"}
    machine = _report.machine()
    done = {name: _run(name, quick=quick) for name in _wanted(names)}
    if folder := os.environ.get("BENCH_RESULTS") or ("" if quick else str(_report.RESULTS)):
        for name, rows in done.items():
            _report.write(Path(folder), name, machine, rows)
    _report.show(machine, done)
    return int(any(r.holds is False for rows in done.values() for r in rows))


def _wanted(names: Sequence[str]) -> Sequence[str]:
    """Give the groups to run; of all of them, those that are parts of another one run only there."""
    if "all" in names:
        return [name for name in GROUPS if name not in {*protocols.WHOLE, *PARTS}]
    return names or PIPELINE


def _run(name: str, *, quick: bool) -> Sequence[_report.Row]:
    def told(line: str) -> None:
        end = "" if sys.stderr.isatty() else "\n"
        print(
            f"\r\x1b[K{name}: {line}" if not end else f"{name}: {line}", end=end, file=sys.stderr, flush=True
        )

    try:
        return GROUPS[name](quick, told)
    except Exception as e:  # noqa: BLE001 - one group that fails must not hide the others
        traceback.print_exc()
        return [_report.failed(name, e)]
    finally:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
