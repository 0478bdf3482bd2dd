"""Files that nginx reads with its configuration: written before it is in force, removed when nothing reads them."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from tidegate.dataplane.render import _backend_tls

_NAME = re.compile(rf"\b{_backend_tls.FOLDER}/([0-9a-z.]+);")


def write_files(state_dir: Path, files: Mapping[str, str]) -> None:
    """Write files into the state folder, readable by their owner only. Their names are made of their content.

    Raises ``OSError``.
    """
    folder = state_dir / _backend_tls.FOLDER
    if files:
        folder.mkdir(mode=0o700, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        if not path.exists():
            new = folder / f"{name}.new"
            new.unlink(missing_ok=True)
            with os.fdopen(
                os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="latin-1"
            ) as file:
                file.write(text)
            new.replace(path)


def remove_files(state_dir: Path, *, but: Collection[str]) -> None:
    """Remove the files that nothing reads any longer. Raises ``OSError``."""
    folder = state_dir / _backend_tls.FOLDER
    if folder.exists():
        for path in folder.iterdir():
            if path.name not in but:
                path.unlink(missing_ok=True)


def named_in(text: str) -> set[str]:
    """Give the names of the files that a configuration reads."""
    return set(_NAME.findall(text))
