"""What the controller must remember about nginx's configuration, so that a new one can adopt it without a reload."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from tidegate.model import NodeSettings, Profile, ServerProfile

NAME: Final = "controller.json"


class Memory(msgspec.Struct, frozen=True):
    """The last configuration that came into force, as the values that it was made of."""

    generation: str = ""
    node: NodeSettings = NodeSettings()
    profiles: tuple[Profile, ...] = ()
    servers: tuple[ServerProfile, ...] = ()


def load(state_dir: Path) -> Memory:
    """Read what was remembered; nothing if there is nothing that can be read."""
    try:
        return msgspec.json.decode((state_dir / NAME).read_bytes(), type=Memory)
    except (OSError, msgspec.MsgspecError):
        # Costs one reload more, no traffic.
        return Memory()


def save(state_dir: Path, memory: Memory) -> None:
    """Remember. Raises ``OSError``."""
    new = state_dir / f"{NAME}.new"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(memory))
    new.replace(state_dir / NAME)
