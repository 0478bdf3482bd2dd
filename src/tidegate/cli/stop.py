"""`tidegate stop`: the end of a running gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tidegate.app import NotRunning, ask, default_state_dir
from tidegate.cli._errors import FINE, WorldFailed
from tidegate.cli._flags import StateDir


def stop(*, state_dir: StateDir = None) -> int:
    """End a running gateway: health fails, requests finish, then the controller, nginx and the keeper end.

    A data plane whose controller has died is ended too. Returns once all of it is gone.

    Example: tidegate stop --state-dir /var/lib/tidegate
    """
    asyncio.run(_stop((state_dir or default_state_dir()).absolute()))
    return FINE


async def _stop(state_dir: Path) -> None:
    from tidegate.dataplane import push

    keeper = push.KeeperClient(state_dir)
    try:
        await ask(state_dir, "stop")
    except NotRunning as nobody:
        try:
            await keeper.stop()
        except push.KeeperGone:
            raise WorldFailed(str(nobody)) from None
    await keeper.until_gone()
    await keeper.close()
