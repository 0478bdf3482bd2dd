"""Whatever happens in a folder, in whatever order and however fast: in the end the source says what a fresh listing says."""

from __future__ import annotations

import contextlib
import random
import shutil
from pathlib import Path

import pytest

from tests.sources.following import Follower, following, service
from tidegate.sources import read_folder

NAMES = [
    "a.yaml",
    "b.yaml",
    "c.yml",
    "d.json",
    "sub/a.yaml",
    "sub/deep/b.yaml",
    "other/c.yaml",
    ".hidden.yaml",
    "e.txt",
]
FOLDERS = ["sub", "sub/deep", "other", "linked"]


class Chaos:
    """Random operations on a folder and on one beside it that links lead to."""

    def __init__(self, folder: Path, beside: Path, seed: int) -> None:
        self.folder = folder
        self.beside = beside
        self.random = random.Random(seed)
        for version in ("v1", "v2"):
            (beside / version).mkdir(parents=True)
            (beside / version / "z.yaml").write_text(self.text())

    def text(self) -> str:
        """Give some Services, of few names so that they clash."""
        names = self.random.choices(["p", "q", "r", "s", "t"], k=self.random.randrange(4))
        return "---\n".join(service(n, self.random.randrange(1, 9)) for n in names)

    def step(self) -> None:
        with contextlib.suppress(
            FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, OSError
        ):
            self.random.choice(
                [
                    self.write,
                    self.write,
                    self.replace,
                    self.rename,
                    self.delete,
                    self.folders,
                    self.link,
                    self.swap,
                ]
            )()

    def path(self) -> Path:
        return self.folder / self.random.choice(NAMES)

    def write(self) -> None:
        self.path().write_text(self.text())

    def replace(self) -> None:
        (self.folder / ".tmp").write_text(self.text())
        (self.folder / ".tmp").rename(self.path())

    def rename(self) -> None:
        self.path().rename(self.path())

    def delete(self) -> None:
        self.path().unlink()

    def folders(self) -> None:
        folder = self.folder / self.random.choice(FOLDERS)
        act = self.random.randrange(4)
        if act == 0:
            shutil.rmtree(folder)
        elif act == 1:
            folder.rename(self.folder / self.random.choice(FOLDERS))
        else:
            folder.mkdir(parents=True)

    def link(self) -> None:
        target = self.random.choice(
            [self.beside / "current", self.beside / "v1" / "z.yaml", self.folder, self.folder / "sub"]
        )
        self.path().symlink_to(target) if target.suffix else (
            self.folder / self.random.choice(FOLDERS)
        ).symlink_to(target)

    def swap(self) -> None:
        version = self.random.choice(["v1", "v2"])
        if self.random.random() < 0.5:
            (self.beside / version / "z.yaml").write_text(self.text())
        (self.beside / "new").symlink_to(version)
        (self.beside / "new").rename(self.beside / "current")


def check(seen: Follower, folder: Path) -> bool:
    fresh = read_folder(folder)
    objects = {c.ref: c.obj for c in fresh.changes}
    findings = {f: found for f, found in fresh.findings_by_file.items() if found}
    return objects == seen.objects and findings == seen.findings


@pytest.mark.parametrize("seed", range(12))
async def test_random_operations_end_in_the_state_of_a_fresh_listing(tmp_path: Path, seed: int) -> None:
    """Files and folders that are written, replaced, renamed, deleted and linked; links that are swapped."""
    folder = tmp_path / "m"
    folder.mkdir()
    chaos = Chaos(folder, tmp_path / "beside", seed)
    async with following(folder) as seen:
        for _ in range(25):
            for _ in range(chaos.random.randrange(1, 12)):
                chaos.step()
            (folder / "last.yaml").write_text(service("last", chaos.random.randrange(1, 60000)))
            try:
                await seen.until(lambda: check(seen, folder))
            except TimeoutError:
                fresh = read_folder(folder)
                assert {str(c.ref): c.where for c in fresh.changes} == {
                    str(r): seen.source.locate(r) for r in seen.objects
                }
                assert fresh.findings_by_file == seen.findings
                assert {c.ref: c.obj for c in fresh.changes} == seen.objects
                raise
