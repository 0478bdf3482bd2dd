"""Files of a folder that come, change and go."""

# The files of a test are small and near: nothing else waits for them.
# ruff: noqa: ASYNC240

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.sources.following import following, port_is, port_of, service, svc
from tidegate.findings import Effect


async def test_the_first_batch_is_the_complete_listing(tmp_path: Path) -> None:
    """YAML with several documents, JSON and Lists, in the folder and below; nothing else."""
    (tmp_path / "a.yaml").write_text(service("a1") + "---\n" + service("a2"))
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "b.yml").write_text(service("b"))
    (tmp_path / "c.json").write_text('{"apiVersion":"v1","kind":"Service","metadata":{"name":"c"}}')
    (tmp_path / "list.yaml").write_text(
        "apiVersion: v1\nkind: List\nitems:\n"
        "- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: Service, metadata: {name: d1}}\n"
        "- apiVersion: v1\n  kind: ServiceList\n  items:\n  - metadata: {name: d2}\n"
    )
    for ignored in (".hidden.yaml", "e.yaml~", ".e.yaml.swp", "#e.yaml#", "e.txt", "4913", "e.yaml.bak"):
        (tmp_path / ignored).write_text(service("ignored"))
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "f.yaml").write_text(service("ignored"))
    async with following(tmp_path) as seen:
        assert [b.initial for b in seen.batches] == [True]
        names = ("a1", "a2", "b", "c", "d1", "d2")
        assert seen.names() == [f"Service default/{n}" for n in names]
        assert seen.types() == []


async def test_an_empty_folder_is_a_complete_listing(tmp_path: Path) -> None:
    async with following(tmp_path) as seen:
        assert seen.batches[0].initial
        assert seen.batches[0].changes == ()


async def test_each_change_of_a_file_is_told_alone(tmp_path: Path) -> None:
    """A new file, a changed one and a removed one lead to exactly those changes."""
    (tmp_path / "other.yaml").write_text(service("other"))
    async with following(tmp_path) as seen:
        (tmp_path / "a.yaml").write_text(service("a"))
        await seen.until_names("Service default/a", "Service default/other")
        (tmp_path / "a.yaml").write_text(service("a", 81))
        await seen.until(lambda: port_of(seen.objects[svc("a")]) == 81)
        (tmp_path / "a.yaml").unlink()
        await seen.until_names("Service default/other")
        told = [[(c.ref.name, c.obj is None) for c in b.changes] for b in seen.batches]
        assert told == [[("other", False)], [("a", False)], [("a", False)], [("a", True)]]


async def test_of_a_file_with_many_documents_only_the_changed_one_is_told(tmp_path: Path) -> None:
    """Also when it moves down; objects that vanish from a readable file are gone."""
    texts = [service(f"s{i}") for i in range(20)]
    file = tmp_path / "all.yaml"
    file.write_text("---\n".join(texts))
    async with following(tmp_path) as seen:
        texts[7] = service("s7", 8080)
        del texts[3]
        file.write_text("# a comment\n---\n" + "---\n".join(texts))
        await seen.until(lambda: len(seen.batches) == 2)
        assert {(c.ref.name, c.obj is None) for c in seen.batches[1].changes} == {("s7", False), ("s3", True)}
        place = seen.source.locate(svc("s19"))
        assert place is not None
        assert file.read_text().splitlines()[place.line - 1] == "apiVersion: v1"
        assert place.document == 19


async def test_touching_a_file_tells_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(service("a") + "---\nkind: [\n")
    async with following(tmp_path) as seen:
        os.utime(file)
        file.write_text(file.read_text())
        file.chmod(0o600)
        file.write_text("# only a comment\n" + file.read_text().replace("kind: [", "kind: ["))
        (tmp_path / "b.yaml").write_text(service("b"))
        await seen.until_names("Service default/a", "Service default/b")
        assert [[c.ref.name for c in b.changes] for b in seen.batches if b.changes] == [["a"], ["b"]]


async def test_a_rename_over_a_file_replaces_it_at_once(tmp_path: Path) -> None:
    """As editors and tools write: never is the object gone."""
    (tmp_path / "a.yaml").write_text(service("a"))
    async with following(tmp_path) as seen:
        for port in range(81, 100):
            (tmp_path / ".a.yaml.tmp").write_text(service("a", port))
            (tmp_path / ".a.yaml.tmp").rename(tmp_path / "a.yaml")
            await seen.until(port_is(seen, "a", port))
        assert all(c.obj is not None for b in seen.batches for c in b.changes)


async def test_a_renamed_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(service("a"))
    async with following(tmp_path) as seen:
        (tmp_path / "a.yaml").rename(tmp_path / "b.yaml")
        (tmp_path / "c.yaml").write_text(service("c"))
        await seen.until_names("Service default/a", "Service default/c")
        await seen.until(lambda: str(seen.source.locate(svc("a"))).endswith("b.yaml:1"))
        assert [[(c.ref.name, c.obj is None) for c in b.changes] for b in seen.batches if b.changes] == [
            [("a", False)],
            [("c", False)],
        ]
        assert not any(b.findings_by_file for b in seen.batches)


async def test_an_editor_that_moves_the_file_away_and_writes_it_anew_removes_nothing(tmp_path: Path) -> None:
    """Between the two the name does not exist; then it does, empty and open, for as long as the editor likes."""
    file = tmp_path / "a.yaml"
    file.write_text(service("a"))
    async with following(tmp_path) as seen:
        file.rename(tmp_path / "a.yaml~")
        with file.open("w") as out:
            await asyncio.sleep(0.05)
            out.write(service("a", 81)[:40])
            out.flush()
            await asyncio.sleep(0.05)
            out.write(service("a", 81)[40:])
        await seen.until(lambda: port_of(seen.objects[svc("a")]) == 81)
        assert all(c.obj is not None for b in seen.batches for c in b.changes)
        assert seen.types() == []


async def test_a_file_that_only_came_is_read_in_the_end(tmp_path: Path) -> None:
    """One that its writer keeps open without end, and one that came as a link."""
    (tmp_path / "elsewhere").write_text(service("linked"))
    async with following(tmp_path) as seen:
        os.link(tmp_path / "elsewhere", tmp_path / "linked.yaml")
        await seen.until_names("Service default/linked")
        with (tmp_path / "open.yaml").open("w") as out:
            out.write(service("open"))
            out.flush()
            await seen.until_names("Service default/linked", "Service default/open")


async def test_folders_that_come_go_and_are_renamed(tmp_path: Path) -> None:
    async with following(tmp_path) as seen:
        (tmp_path / "x" / "y").mkdir(parents=True)
        (tmp_path / "x" / "y" / "a.yaml").write_text(service("a"))
        await seen.until_names("Service default/a")
        (tmp_path / "x").rename(tmp_path / "z")
        (tmp_path / "z" / "y" / "b.yaml").write_text(service("b"))
        await seen.until_names("Service default/a", "Service default/b")
        assert all(c.obj is not None for b in seen.batches for c in b.changes)
        (tmp_path / "z" / "y" / "a.yaml").write_text(service("a", 81))
        await seen.until(lambda: port_of(seen.objects[svc("a")]) == 81)
        shutil.rmtree(tmp_path / "z")
        await seen.until_names()
        (tmp_path / "z").mkdir()
        (tmp_path / "z" / "c.yaml").write_text(service("c"))
        await seen.until_names("Service default/c")


async def test_a_folder_moved_in_from_elsewhere_and_out_again(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside" / "sub").mkdir(parents=True)
    (tmp_path / "outside" / "sub" / "a.yaml").write_text(service("a"))
    async with following(tmp_path / "inside") as seen:
        (tmp_path / "outside").rename(tmp_path / "inside" / "moved")
        await seen.until_names("Service default/a")
        (tmp_path / "inside" / "moved").rename(tmp_path / "outside")
        await seen.until_names()


async def test_a_missing_folder_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    async with following(folder, listed=False) as seen:
        await seen.until(lambda: seen.types() == ["FolderMissing"])
        assert not seen.listed
        assert seen.findings[str(folder)][0].effect is Effect.FAILED
        folder.mkdir(parents=True)
        (folder / "a.yaml").write_text(service("a"))
        await seen.until_names("Service default/a")
        await seen.until(lambda: seen.listed and not seen.types())


async def test_a_folder_that_is_a_file_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.write_text("")
    async with following(folder, listed=False) as seen:
        await seen.until(lambda: seen.types() == ["FolderMissing"])
        folder.unlink()
        folder.mkdir()
        await seen.until(lambda: seen.listed and not seen.types())


async def test_a_folder_that_goes_away_keeps_everything_in_force(tmp_path: Path) -> None:
    """And is read again when it is back; what it lacks then is gone."""
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "a.yaml").write_text(service("a"))
    (folder / "b.yaml").write_text(service("b"))
    async with following(folder) as seen:
        folder.rename(tmp_path / "elsewhere")
        await seen.until(lambda: seen.types() == ["FolderMissing"])
        assert seen.names() == ["Service default/a", "Service default/b"]
        folder.mkdir()
        (folder / "a.yaml").write_text(service("a", 81))
        await seen.until_names("Service default/a")
        await seen.until(lambda: port_of(seen.objects[svc("a")]) == 81 and not seen.types())
        (folder / "c.yaml").write_text(service("c"))
        await seen.until_names("Service default/a", "Service default/c")


async def test_a_relative_folder_is_named_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m").mkdir()
    Path("m/a.yaml").write_text(service("a"))
    async with following(Path("m")) as seen:
        assert str(seen.source.locate(svc("a"))) == "m/a.yaml:1"
        Path("m/b.yaml").write_text(service("b"))
        await seen.until_names("Service default/a", "Service default/b")
    async with following(Path()) as seen:
        assert seen.names() == ["Service default/a", "Service default/b"]
        Path("c.yaml").write_text(service("c"))
        await seen.until_names("Service default/a", "Service default/b", "Service default/c")


async def test_a_name_that_is_not_text_is_passed_over(tmp_path: Path) -> None:
    async with following(tmp_path) as seen:
        (tmp_path / os.fsdecode(b"\xff.yaml")).write_text(service("bad"))
        (tmp_path / "ü.yaml").write_text(service("a"))
        await seen.until_names("Service default/a")


async def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    async with following(tmp_path) as seen:
        os.mkfifo(tmp_path / "pipe2.yaml")
        (tmp_path / "a.yaml").write_text(service("a"))
        await seen.until_names("Service default/a")
