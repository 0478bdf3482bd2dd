"""Files and objects that cannot be used: the last good version stays, a finding says where and what."""

# The files of a test are small and near: nothing else waits for them.
# ruff: noqa: ASYNC240

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sources.following import Follower, following, port_of, service, svc
from tidegate.findings import Effect, Finding
from tidegate.kube.objects import Ref
from tidegate.sources import read_folder


def only(findings: dict[str, tuple[Finding, ...]]) -> Finding:
    ((finding,),) = findings.values()
    return finding


async def test_a_file_half_written_keeps_what_it_held(tmp_path: Path) -> None:
    """And is read again when it changes again."""
    file = tmp_path / "a.yaml"
    file.write_text(service("a") + "---\n" + service("b"))
    async with following(tmp_path) as seen:
        file.write_text((service("a", 81) + "---\n" + service("b", 81))[:-20] + "  - [")
        await seen.until(lambda: seen.types() == ["NotYaml"])
        finding = only(seen.findings)
        assert (finding.effect, finding.file) == (Effect.REFUSED, str(file))
        assert finding.line == len(file.read_text().splitlines())
        assert seen.names() == ["Service default/a", "Service default/b"]
        file.write_text(service("a", 82))
        await seen.until_names("Service default/a")
        assert port_of(seen.objects[svc("a")]) == 82
        await seen.until(lambda: not seen.types())


async def test_a_document_that_is_not_yaml_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(service("a") + "---\n" + service("b") + "---\n" + service("c"))
    async with following(tmp_path) as seen:
        file.write_text(service("a", 81) + "---\nspec:\n\tports: 1\n---\n" + service("c", 83))
        await seen.until(lambda: port_of(seen.objects[svc("c")]) == 83)
        assert port_of(seen.objects[svc("a")]) == 81
        assert port_of(seen.objects[svc("b")]) == 80
        assert only(seen.findings).line == 11
        assert "tabs" in only(seen.findings).accepted


async def test_an_object_of_the_wrong_type_keeps_its_last_good_version(tmp_path: Path) -> None:
    """Also if it is wrong in another way then; and goes if the file no longer names it."""
    file = tmp_path / "a.yaml"
    file.write_text(service("a", 81))
    async with following(tmp_path) as seen:
        file.write_text(service("a").replace("port: 80", 'port: "80"'))
        await seen.until(lambda: seen.types() == ["WrongType"])
        assert only(seen.findings).field == "spec.ports[0].port"
        assert only(seen.findings).line == 8
        file.write_text(service("a").replace("ports:", "ports: 5").split("  - port")[0])
        await seen.until(lambda: bool(seen.findings) and only(seen.findings).field == "spec.ports")
        assert port_of(seen.objects[svc("a")]) == 81
        file.write_text("# empty\n")
        await seen.until_names()
        await seen.until(lambda: not seen.types())


async def test_an_object_whose_name_became_unreadable_is_kept_by_kind(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        service("a") + "---\n" + service("b") + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n"
    )
    async with following(tmp_path) as seen:
        file.write_text(service("a", 81) + "---\n" + service("b").replace("name: b", "name: B!"))
        await seen.until(lambda: seen.types() == ["InvalidName"])
        await seen.until_names("Service default/a", "Service default/b")


async def test_the_listing_names_what_is_there_but_unusable(tmp_path: Path) -> None:
    """So that a version from an earlier run is not taken for removed."""
    (tmp_path / "a.yaml").write_text(service("a").replace("port: 80", "port: x"))
    (tmp_path / "b.yaml").write_text("\t")
    (tmp_path / "c.yaml").write_text(service("c"))
    batch = read_folder(tmp_path)
    assert batch.held == {svc("a")}
    assert batch.unread == {str(tmp_path / "b.yaml")}
    assert [c.ref for c in batch.changes] == [svc("c")]


async def test_of_equal_names_the_first_by_path_is_in_force(tmp_path: Path) -> None:
    """The other is a finding that names both places, and takes over when the first goes."""
    (tmp_path / "b.yaml").write_text(service("x", 82))
    async with following(tmp_path) as seen:
        (tmp_path / "c.yaml").write_text("# first line\n" + service("x", 83))
        await seen.until(lambda: seen.types() == ["DuplicateName"])
        finding = only(seen.findings)
        assert (finding.file, finding.line) == (str(tmp_path / "c.yaml"), 2)
        assert str(tmp_path / "b.yaml") + ":1" in finding.message
        (tmp_path / "a.yaml").write_text(service("x", 81))
        await seen.until(lambda: port_of(seen.objects[svc("x")]) == 81)
        assert seen.types() == ["DuplicateName", "DuplicateName"]
        (tmp_path / "a.yaml").unlink()
        await seen.until(lambda: port_of(seen.objects[svc("x")]) == 82)
        (tmp_path / "b.yaml").write_text("")
        await seen.until(lambda: port_of(seen.objects[svc("x")]) == 83)
        await seen.until(lambda: not seen.types())
        assert all(c.obj is not None for b in seen.batches for c in b.changes)


async def test_of_equal_names_in_one_file_the_first_is_in_force(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(service("x", 81) + "---\n" + service("x", 82) + "---\n" + service("x", 83))
    async with following(tmp_path) as seen:
        assert port_of(seen.objects[svc("x")]) == 81
        assert [f.line for f in seen.findings[str(file)]] == [10, 19]
        file.write_text(service("x", 83) + "---\n" + service("x", 82))
        await seen.until(lambda: port_of(seen.objects[svc("x")]) == 83)
        await seen.until(lambda: seen.types() == ["DuplicateName"])


def duplicates(seen: Follower, count: int) -> Callable[[], bool]:
    return lambda: seen.types() == ["DuplicateName"] * count


async def test_equal_documents_in_one_file_may_come_and_go(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(service("x"))
    async with following(tmp_path) as seen:
        for count in (3, 2, 4, 1):
            file.write_text("---\n".join([service("x")] * count))
            await seen.until(duplicates(seen, count - 1))
        file.unlink()
        await seen.until_names()


async def test_kinds_that_are_not_read_are_counted_and_no_findings(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n---\n" * 3)
    (tmp_path / "b.yaml").write_text(
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\n"
    )
    async with following(tmp_path) as seen:
        assert seen.objects == {}
        assert seen.types() == []
        assert seen.source.ignored_kinds() == {"Deployment": 3, "Service": 1}


async def test_a_file_above_the_limit_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(service("a"))
    async with following(tmp_path, file_bytes=1000) as seen:
        file.write_text(service("a", 81) + "#" * 1000)
        await seen.until(lambda: seen.types() == ["TooLarge"])
        assert port_of(seen.objects[svc("a")]) == 80
        file.write_text(service("a", 82))
        await seen.until(lambda: port_of(seen.objects[svc("a")]) == 82 and not seen.types())


async def test_a_place_is_exact_to_the_field(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("\n\n---\n# text\n" + service("a"))
    (tmp_path / "l.yaml").write_text(
        "kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: m}}\n"
        "- apiVersion: v1\n  kind: Namespace\n  metadata:\n    name: nn\n    labels:\n      a.b/c: d\n"
    )
    async with following(tmp_path) as seen:
        assert str(seen.source.locate(svc("a"), "spec.ports[0].port")) == f"{tmp_path}/a.yaml:12"
        assert str(seen.source.locate(Ref("Namespace", "", "nn"))) == f"{tmp_path}/l.yaml:5 (item 1)"
        place = seen.source.locate(Ref("Namespace", "", "nn"), "metadata.labels[a.b/c]")
        assert place is not None
        assert place.line == 10
        assert seen.source.locate(svc("none")) is None


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """Give a folder and act as a user who may be refused something; root never is."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name) / "m"
        folder.mkdir()
        if root:
            os.chown(name, 65534, 65534)
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)


async def test_what_may_not_be_read_keeps_what_it_held(as_nobody: Path) -> None:
    """A file, and a folder; both count again as soon as they may be read."""
    (as_nobody / "sub").mkdir()
    (as_nobody / "sub" / "b.yaml").write_text(service("b"))
    file = as_nobody / "a.yaml"
    file.write_text(service("a"))
    async with following(as_nobody) as seen:
        file.write_text(service("a", 81))
        await seen.until(lambda: port_of(seen.objects[svc("a")]) == 81)
        file.chmod(0)
        await seen.until(lambda: seen.types() == ["Unreadable"])
        (as_nobody / "sub").chmod(0)
        await seen.until(lambda: seen.types() == ["Unreadable"] * 2)
        assert seen.names() == ["Service default/a", "Service default/b"]
        assert set(seen.findings) == {str(file), str(as_nobody / "sub")}
        (as_nobody / "sub").chmod(0o700)
        file.chmod(0o600)
        await seen.until(lambda: not seen.types())
        (as_nobody / "sub" / "b.yaml").write_text(service("b", 81))
        await seen.until(lambda: port_of(seen.objects[svc("b")]) == 81)


async def test_a_folder_that_may_not_be_read_is_waited_for(as_nobody: Path) -> None:
    (as_nobody / "a.yaml").write_text(service("a"))
    as_nobody.chmod(0)
    async with following(as_nobody, listed=False) as seen:
        await seen.until(lambda: seen.types() == ["Unreadable"])
        assert not seen.listed
        as_nobody.chmod(0o700)
        await seen.until_names("Service default/a")
        await seen.until(lambda: seen.listed and not seen.types())
