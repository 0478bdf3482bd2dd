"""The keeper's process: arguments, detaching, signals, exit codes.

As the first process of a container it turns SIGTERM into a drain, which nginx itself would take as a fast stop.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import os
import resource
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from tidegate.dataplane.journal import Journal
from tidegate.dataplane.keeper import _log
from tidegate.dataplane.keeper._access_log import AccessLog
from tidegate.dataplane.keeper._children import Children
from tidegate.dataplane.keeper._engine import Engine
from tidegate.dataplane.keeper._exporter import Exporter
from tidegate.dataplane.keeper._keeper import Keeper
from tidegate.dataplane.keeper._nginx import Nginx
from tidegate.dataplane.keeper._records import Records
from tidegate.dataplane.keeper._server import Server
from tidegate.dataplane.keeper.locks import InUse, Lock
from tidegate.dataplane.keeper.paths import StateDir

_WORLD_FAILED = 3
_READY = b"ready"

_M_MMAP_THRESHOLD = -3
_LARGE = 128 * 1024
"""Bytes. glibc raises this limit by itself once a large block is freed, and then keeps what later ones used."""


def main() -> int:
    """Run until nginx has ended; give the exit code."""
    options = _arguments()
    os.umask(0o077)
    state = StateDir(options.state_dir)
    try:
        state.prepare()
        argv = shlex.split(options.nginx) if options.nginx else _installed()
    except Exception as e:  # noqa: BLE001 - said; the installer has many reasons
        return _fail(str(e))
    if options.detach:
        return _detach(state, argv, options)
    return _run(state, argv, options.grace, stdout=1, on_stderr=True, ready=lambda: None)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tidegate.dataplane.keeper",
        description="Own nginx and its listening sockets: start, reload, hand over, start again, drain.",
    )
    parser.add_argument(
        "--state-dir", type=Path, required=True, help="the folder of everything that is written"
    )
    parser.add_argument(
        "--grace", type=float, default=0.0, metavar="SECONDS", help="between SIGTERM and the end of nginx"
    )
    parser.add_argument(
        "--nginx", metavar="COMMAND", help="start of nginx's command line; default: the installed one"
    )
    parser.add_argument("--detach", action="store_true", help="go on in the background once it answers")
    parser.add_argument(
        "--keep-stdout", action="store_true", help="with --detach: nginx keeps this standard output"
    )
    return parser.parse_args()


def _installed() -> list[str]:
    # Imported here, because who starts the keeper from a controller gives the command.
    from tidegate.dataplane.install import find

    return find().nginx_argv()


def _fail(message: str) -> int:
    sys.stderr.write(f"keeper: {message}\n")
    return _WORLD_FAILED


def _detach(state: StateDir, argv: list[str], options: argparse.Namespace) -> int:
    """Go on in a child without a terminal; wait until it answers, and say why if it does not."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        return 0 if said == _READY else _fail(said.decode(errors="replace").strip() or "it ended at once")
    os.close(reading)
    os.setsid()
    _redirect(state, keep_stdout=options.keep_stdout)
    told = False

    def ready() -> None:
        nonlocal told
        told = True
        os.write(writing, _READY)
        os.close(writing)

    stdout = 1 if options.keep_stdout else -1
    code = _run(state, argv, options.grace, stdout=stdout, on_stderr=False, ready=ready, pipe=writing)
    if not told:
        os.close(writing)
    return code


def _redirect(state: StateDir, *, keep_stdout: bool) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(state.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    if not keep_stdout:
        os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(nothing)
    os.close(log)


def _run(
    state: StateDir,
    argv: list[str],
    grace: float,
    *,
    stdout: int,
    on_stderr: bool,
    ready: Callable[[], None],
    pipe: int = 2,
) -> int:
    try:
        lock = Lock(state.keeper_lock)
    except InUse as e:
        os.write(pipe, f"{e}\n".encode())
        return _WORLD_FAILED
    _log.begin(state.log, on_stderr=on_stderr)
    _set_limits()
    try:
        asyncio.run(_serve(state, argv, grace, stdout, ready))
    except Exception as e:  # noqa: BLE001 - logged, and said
        _log.fault("the keeper failed")
        with contextlib.suppress(OSError):
            os.write(pipe, f"{e}\n".encode())
        return _WORLD_FAILED
    finally:
        lock.release()
    return 0


def _set_limits() -> None:
    # nginx inherits the number of files that it may open.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


async def _serve(
    state: StateDir, argv: list[str], grace: float, stdout: int, ready: Callable[[], None]
) -> None:
    children = Children()
    journal = Journal(state.journal)
    _log.info("the keeper begins", pid=os.getpid(), version=journal.version, cut=journal.cut)
    access_log = AccessLog(state, children, stdout)
    engine = Engine(state, Nginx(argv, state, children, stdout), Records(journal, children), access_log)
    keeper = Keeper(engine)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, keeper.terminate, grace)
    # Ignored, but not in such a way that nginx would inherit it.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: None)
    await keeper.begin()
    server = Server(keeper)
    await server.listen(state.socket)
    exporter = Exporter(children, engine, state.root)
    exporter.begin()
    ready()
    await keeper.ended.wait()
    await exporter.close()
    state.socket.unlink(missing_ok=True)
    await server.close()
    await keeper.close()
    _log.info("the keeper has ended")
