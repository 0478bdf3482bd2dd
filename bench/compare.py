"""Run any nginx.conf files side by side: ``python -m bench.compare A.conf B.conf …``.

Prints user, system and total CPU microseconds per request of each, and the ratios to the first. Each is
started with one worker on core 0; wrk and a backend of 1 KiB answers share core 1. The port is the first
``listen`` of the file (``--tls``: the first with ``ssl``); the words ``@BACKEND@`` (address:port) and
``@PORT@`` in a file are replaced, and relative paths start from the folder of the file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import _rounds
from harness import nginx, waiting, wrk


def main(argv: list[str]) -> int:
    """Run the comparison; 0 if every request of every set-up was answered well, else 1."""
    args = _arguments().parse_args(argv)
    with contextlib.ExitStack() as stack:
        backend = args.backend_port or waiting.free_ports(1)[0]
        stack.enter_context(nginx.fast_backend(backend, cores={_rounds.LOAD_CORE}))
        setups = [_started(stack, Path(name), backend, args) for name in args.conf]
        costs = _rounds.measure(
            setups,
            rounds=args.rounds,
            seconds=args.seconds,
            connections=args.connections,
            told=lambda text: print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True),
        )
    print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    _print(costs)
    if args.json:
        rows = [{m: c.median(m) for m in ("user", "system", "total")} | {"name": c.name} for c in costs]
        Path(args.json).write_text(json.dumps(rows, indent=1))
    return int(any(r.errors for c in costs for r in c.rounds))


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("conf", nargs="+", help="nginx.conf files; the first is the one to compare with")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=2, help="of load per file and round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--host", default="", help="Host header; {i} is replaced by 0 … --hosts-1")
    parser.add_argument("--hosts", type=int, default=1, help="how many hosts to take in turn")
    parser.add_argument("--path", default="/", help="{i} as for --host")
    parser.add_argument("--requests", help="file with lines `METHOD PATH HOST`, taken in turn")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument(
        "--backend-port", type=int, help="fixed port of the backend (default: a free one, @BACKEND@)"
    )
    parser.add_argument("--json", help="write the medians here")
    return parser


def _started(
    stack: contextlib.ExitStack, path: Path, backend: int, args: argparse.Namespace
) -> _rounds.Setup:
    text = path.read_text().replace("@BACKEND@", f"127.0.0.1:{backend}")
    text = text.replace("@PORT@", str(waiting.free_ports(1)[0]))
    server = nginx.Nginx(text, prefix=path.resolve().parent, cores={_rounds.WORKER_CORE})
    port = next((p for p, tls in server.ports() if tls == args.tls), None)
    if port is None:
        raise SystemExit(f"{path}: no listen for {'TLS' if args.tls else 'plain HTTP'}")
    stack.enter_context(server)
    scheme = "https" if args.tls else "http"
    target = wrk.Target(f"{scheme}://127.0.0.1:{port}", _requests(args))
    probe = wrk.run(target, seconds=1, connections=1)
    if probe.errors or not probe.requests:
        print(f"{path}: {probe}; error log:\n{server.error_log[-2000:]}", file=sys.stderr)
    return _rounds.Setup(
        path.name if args.conf.count(str(path)) == 1 else str(path), tuple(server.workers), target
    )


def _requests(args: argparse.Namespace) -> list[tuple[str, str, dict[str, str]]]:
    if args.requests:
        lines = (line.split() for line in Path(args.requests).read_text().splitlines() if line)
        return [(m, p, {"Host": h[0]} if h else {}) for m, p, *h in lines]
    numbers = [str(i) for i in range(args.hosts)]
    return [
        ("GET", args.path.replace("{i}", i), {"Host": args.host.replace("{i}", i)} if args.host else {})
        for i in numbers
    ]


def _print(costs: list[_rounds.Costs]) -> None:
    table = Table(title="CPU per request, µs (median); ratio to the first: median (quartiles)")
    for column in (
        "file",
        "user",
        "system",
        "total",
        "user ÷",
        "total ÷",
        "requests/s·round",
        "errors",
        "foreign",
    ):
        table.add_column(column, justify="left" if column == "file" else "right", no_wrap=True)
    for c in costs:
        table.add_row(
            c.name,
            *(f"{c.median(m):.2f}" for m in ("user", "system", "total")),
            *(str(c.ratio(costs[0], m)) for m in ("user", "total")),
            f"{sum(r.requests for r in c.rounds) // len(c.rounds)}",
            str(sum(r.errors for r in c.rounds)),
            f"{max(r.foreign for r in c.rounds):.0%}",
        )
    Console(width=max(Console().width, 130)).print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
