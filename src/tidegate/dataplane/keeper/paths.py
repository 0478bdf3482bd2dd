"""Where things stand in a state folder.

Every file is readable by its owner only. The folders of nginx's instances can be entered by others, because workers
run as another user and open their temporary files relative to that folder; their parents cannot.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

INSTANCE_MODE = 0o711


class StateDir:
    """The folder that holds everything that a gateway node writes."""

    def __init__(self, root: Path) -> None:
        """Take the folder's path; it need not exist."""
        self.root = root.absolute()
        self.socket = self.root / "keeper.sock"
        self.keeper_lock = self.root / "keeper.lock"
        self.controller_lock = self.root / "controller.lock"
        self.log = self.root / "keeper.log"
        self.journal = self.root / "journal"
        self.nginx = self.root / "nginx"
        self.configuration = self.nginx / "current.json"
        self.error_log = self.nginx / "error.log"
        self.scratch = self.nginx / "test"

    def prepare(self) -> None:
        """Make the folders. One that exists keeps its mode: it may be a volume of somebody's. Raises ``OSError``."""
        for folder in (self.root, self.nginx):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def instance(self, number: int) -> Path:
        """Name the folder of an nginx instance."""
        return self.nginx / str(number)

    def instances(self) -> list[int]:
        """Give the numbers of the instances that have a folder, ascending."""
        return sorted(int(p.name) for p in self.nginx.iterdir() if p.name.isdigit())


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """Give another name for a socket's path, valid inside the block: the kernel takes no more than 107 bytes."""
    fd = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)
