"""The Go programs of the benchmarks: what is fetched is judged, what is missing is said."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

import pytest

from harness import gotools

NAME = "golang.org/toolchain@v0"


def archive(folder: Path) -> tuple[Path, str]:
    """Give a module's archive and its checksum."""
    files = {f"{NAME}/bin/go": b"#!/bin/sh\n", f"{NAME}/pkg/tool/compile": b"", f"{NAME}/LICENSE": b"free"}
    path = folder / "module.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
    return path, base64.b64encode(hashlib.sha256("".join(lines).encode()).digest()).decode()


def test_what_is_fetched_can_be_run(tmp_path: Path) -> None:
    """A module's archive does not say which files are programs."""
    path, checksum = archive(tmp_path)
    gotools._unpack(path, NAME, checksum, tmp_path / "go")
    assert (tmp_path / "go" / "bin" / "go").stat().st_mode & 0o111
    assert (tmp_path / "go" / "LICENSE").read_bytes() == b"free"


def test_another_archive_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    """Nothing of it is unpacked."""
    path, _ = archive(tmp_path)
    with pytest.raises(gotools.NotBuilt, match="checksum"):
        gotools._unpack(path, NAME, "other", tmp_path / "go")
    assert not (tmp_path / "go").exists()


def test_a_tool_that_nobody_built_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for one builds nothing."""
    monkeypatch.setenv("TIDEGATE_CACHE", str(tmp_path))
    with pytest.raises(gotools.NotBuilt, match="make go-tools"):
        gotools.tool("ghz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("", ""),
        ("direct", ""),
        ("https://mirror.example/go/,direct", "https://mirror.example/go"),
    ],
)
def test_go_comes_from_the_module_proxy_that_goproxy_names(
    monkeypatch: pytest.MonkeyPatch, given: str, used: str
) -> None:
    """The first one; no address stands in the project."""
    monkeypatch.setenv("GOPROXY", given)
    assert gotools._proxy() == used


def test_without_go_and_without_a_proxy_it_is_said_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is fetched."""
    monkeypatch.setenv("TIDEGATE_CACHE", str(tmp_path))
    monkeypatch.delenv("GOPROXY", raising=False)
    with pytest.raises(gotools.NotBuilt, match=r"GOPROXY.*install Go"):
        gotools._fetched_go()
