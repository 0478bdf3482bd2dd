"""A folder of manifests as a user would keep it: files appear and change in one step, never half written."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from harness import manifests
from harness.manifests import Manifest


class Folder:
    """Writes manifests. Each change gives the moment (``time.monotonic``) just after it was visible."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Beside the folder, on the same disk: a half-written file in it would be read as such.
        self._aside = path.with_name(f"{path.name}.aside-{os.getpid()}")
        self._numbers = itertools.count()
        for folder in (self.path, self._aside):
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, *objects: Manifest) -> float:
        """Put these objects into file ``name``, in place of what it held."""
        return self.write_text(name, manifests.dump(objects))

    def write_text(self, name: str, text: str | bytes) -> float:
        """Put any text into file ``name``."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        ready = self._aside / f"{next(self._numbers)}"
        ready.write_bytes(text.encode() if isinstance(text, str) else text)
        ready.rename(target)
        return time.monotonic()

    def write_many(self, files: Iterable[tuple[str, str]]) -> float:
        """Put texts into many files, one after the other."""
        moment = time.monotonic()
        for name, text in files:
            moment = self.write_text(name, text)
        return moment

    def remove(self, name: str) -> float:
        """Take a file away."""
        (self.path / name).unlink()
        return time.monotonic()

    def names(self) -> list[str]:
        """Give the names of all files."""
        return sorted(
            os.path.relpath(Path(at) / name, self.path)
            for at, _, names in os.walk(self.path)
            for name in names
        )

    def clear(self) -> None:
        """Remove everything in the folder."""
        for entry in self.path.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
