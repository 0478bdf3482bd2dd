"""Finding the keeper of a state folder, or starting one."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tidegate.dataplane.install import find
from tidegate.dataplane.keeper.locks import Lock
from tidegate.dataplane.keeper.paths import StateDir
from tidegate.dataplane.keeper.replies import PROTOCOL
from tidegate.dataplane.push._client import KeeperClient
from tidegate.dataplane.push._errors import KeeperFailed, KeeperGone

_ATTEMPTS = 3
"""A keeper that is just ending, or just being started by another, is there or gone by the next attempt."""

_PAUSE = 0.2
"""Seconds between attempts."""


def lock_state_dir(state_dir: Path) -> Lock:
    """Say that this process is the controller of a state folder, until it ends or the lock is released.

    Raises `StateDirInUse` if another live process is, and ``OSError``.
    """
    state = StateDir(state_dir)
    state.prepare()
    return Lock(state.controller_lock)


async def ensure_keeper(
    state_dir: Path, *, nginx: Sequence[str] | None = None, keep_stdout: bool = False, grace: float = 0.0
) -> KeeperClient:
    """Give a client of the keeper of a state folder; start one, detached from this process, if none lives.

    `nginx` is the start of nginx's command line (by default that of the installed one). With `keep_stdout`, nginx
    writes to this process's standard output, which an access log may be sent to; it stays open as long as nginx lives.
    `grace` is how long a keeper that is started here waits between SIGTERM and the end of nginx. Raises `KeeperFailed`.
    """
    client = KeeperClient(state_dir)
    why = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            await asyncio.sleep(_PAUSE)
        try:
            # One that is about to end keeps the folder until it has.
            while (status := await client.status()).ending:
                await client.until_gone()
        except KeeperGone:
            why = await _start(state_dir, nginx or find().nginx_argv(), keep_stdout=keep_stdout, grace=grace)
            continue
        if status.protocol != PROTOCOL:
            raise KeeperFailed(
                f"the keeper of {state_dir} speaks protocol {status.protocol}, this controller {PROTOCOL}: nothing "
                "was changed, and it goes on serving; stop it with the version that started it, or run that version"
            )
        return client
    raise KeeperFailed(why or f"the keeper of {state_dir} ended as soon as it had begun")


async def _start(state_dir: Path, nginx: Sequence[str], *, keep_stdout: bool, grace: float) -> str:
    """Start a keeper and wait until it answers; give why it does not, else nothing."""
    command = [sys.executable, "-m", "tidegate.dataplane.keeper", "--state-dir", str(state_dir), "--detach"]
    command += ["--nginx", shlex.join(nginx), "--grace", str(grace)]
    if keep_stdout:
        command.append("--keep-stdout")
    # This process ends as soon as the keeper, its child, answers.
    starter = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=None if keep_stdout else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, said = await starter.communicate()
    return said.decode(errors="replace").strip() if starter.returncode else ""
