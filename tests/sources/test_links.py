"""Manifests behind symbolic links: mounted ConfigMaps, shared files, loops."""

from __future__ import annotations

import os
from pathlib import Path

from tests.sources.following import following, port_is, port_of, service, svc
from tidegate.sources import _links


class Mount:
    """A folder as the kubelet mounts a ConfigMap: names link to ``..data/NAME``, ``..data`` to one version."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._version = 0

    def publish(self, files: dict[str, str]) -> None:
        self._version += 1
        version = self.folder / f"..2026_{self._version}"
        version.mkdir()
        for name, text in files.items():
            (version / name).write_text(text)
        before = (self.folder / "..data").readlink() if (self.folder / "..data").exists() else None
        (self.folder / "..data_tmp").symlink_to(version.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        for entry in self.folder.iterdir():
            if not entry.name.startswith("..") and entry.name not in files:
                entry.unlink()
        if before is not None:
            for file in (self.folder / before).iterdir():
                file.unlink()
            (self.folder / before).rmdir()


async def test_a_mounted_configmap_is_followed_through_its_swaps(tmp_path: Path) -> None:
    """The visible names stay what they are; only ``..data`` changes. Nothing is gone in between."""
    mount = Mount(tmp_path)
    mount.publish({"a.yaml": service("a"), "b.yaml": service("b")})
    async with following(tmp_path) as seen:
        assert seen.names() == ["Service default/a", "Service default/b"]
        for port in range(81, 90):
            mount.publish({"a.yaml": service("a", port), "b.yaml": service("b")})
            await seen.until(port_is(seen, "a", port))
        told = [[(c.ref.name, c.obj is None) for c in b.changes] for b in seen.batches[1:]]
        assert told == [[("a", False)]] * 9
        assert seen.source.locate(svc("a")) is not None
        mount.publish({"b.yaml": service("b"), "c.yaml": service("c")})
        await seen.until_names("Service default/b", "Service default/c")
        assert seen.types() == []


async def test_a_file_linked_from_elsewhere_is_followed(tmp_path: Path) -> None:
    """Changes in place, replacement, a dangling link, and the link's own change."""
    folder, away = tmp_path / "in", tmp_path / "away"
    folder.mkdir()
    away.mkdir()
    (away / "target").write_text(service("a"))
    (folder / "a.yaml").symlink_to("../away/target")
    async with following(folder) as seen:
        (away / "target").write_text(service("a", 81))
        await seen.until(lambda: port_of(seen.objects[svc("a")]) == 81)
        (away / "new").write_text(service("a", 82))
        (away / "new").rename(away / "target")
        await seen.until(lambda: port_of(seen.objects[svc("a")]) == 82)
        (away / "target").unlink()
        await seen.until_names()
        (away / "target").write_text(service("a", 83))
        await seen.until_names("Service default/a")
        (away / "other").write_text(service("a", 84))
        (folder / ".tmp").symlink_to(away / "other")
        (folder / ".tmp").rename(folder / "a.yaml")
        await seen.until(lambda: port_of(seen.objects[svc("a")]) == 84)
        (away / "target").write_text(service("no longer of interest"))
        (folder / "a.yaml").unlink()
        await seen.until_names()


async def test_a_linked_folder_is_followed(tmp_path: Path) -> None:
    """Also when the link is swapped for another, as deployments do with ``current``; and when all is behind one."""
    for version, port in (("v1", 81), ("v2", 82)):
        (tmp_path / version / "sub").mkdir(parents=True)
        (tmp_path / version / "sub" / "a.yaml").write_text(service("a", port))
    (tmp_path / "v2" / "b.yaml").write_text(service("b"))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "current").symlink_to("../v1")
    (tmp_path / "root").symlink_to("m")
    async with following(tmp_path / "m") as seen, following(tmp_path / "root" / "current") as other:
        assert seen.names() == other.names() == ["Service default/a"]
        (tmp_path / "next").symlink_to("../v2")
        (tmp_path / "next").rename(tmp_path / "m" / "current")
        for each in (seen, other):
            await each.until_names("Service default/a", "Service default/b")
            await each.until(port_is(each, "a", 82))
        (tmp_path / "v2" / "sub" / "a.yaml").write_text(service("a", 83))
        (tmp_path / "v1" / "sub" / "a.yaml").write_text(service("a", 99))
        for each in (seen, other):
            await each.until(port_is(each, "a", 83))
            assert all(c.obj is not None for b in each.batches for c in b.changes)


async def test_loops_end(tmp_path: Path) -> None:
    """Links to themselves, to each other, to a folder above: each file counts once."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.yaml").write_text(service("a"))
    (tmp_path / "sub" / "up").symlink_to("..")
    (tmp_path / "sub" / "here").symlink_to(".")
    (tmp_path / "self.yaml").symlink_to("self.yaml")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    async with following(tmp_path) as seen:
        assert seen.names() == ["Service default/a"]
        assert seen.types() == []
        (tmp_path / "sub" / "b.yaml").write_text(service("b"))
        await seen.until_names("Service default/a", "Service default/b")
        (tmp_path / "two").unlink()
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "c.yaml").write_text(service("c"))
        await seen.until(lambda: "Service default/c" in seen.names())


def test_hops_name_every_link_on_the_way(tmp_path: Path) -> None:
    real = os.path.realpath(tmp_path)
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "f").write_text("")
    (tmp_path / "data").symlink_to("v1")
    (tmp_path / "f").symlink_to("data/f")
    assert _links.hops(f"{real}/f") == [(real, "f"), (real, "data"), (f"{real}/v1", "f")]
    assert _links.hops(f"{real}/data/../none/x") == [(real, "data"), (real, "none")]
