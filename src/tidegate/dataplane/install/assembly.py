"""Making an installation: packages in, a folder with everything that its programs need out.

The folder appears under its final name whole or not at all, a link is moved to it last, and two that install at
the same time wait for each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tidegate.dataplane.install import apt, machine, probe
from tidegate.dataplane.install.errors import BrokenInstallation, InstallError, PackagesFailed
from tidegate.dataplane.install.installed import (
    MANIFEST,
    OVERRIDE,
    Installation,
    at,
    find,
    find_part,
    manifest_text,
    plain,
)
from tidegate.dataplane.install.parts import NGINX, Part

Progress = Callable[[str], None]

# Documents that nobody reads here. Copyright notices stay: whoever ships the folder must ship them.
_UNREAD: Final = ("usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/info", "usr/share/bug")

# Lua's own search paths, for programs written in it.
_LUA_PATHS: Final = """\
LUA_PATH="$here/usr/share/lua/5.1/?.lua;$here/usr/share/lua/5.1/?/init.lua"
LUA_CPATH="$here/usr/lib/{triplet}/lua/5.1/?.so"
export LUA_PATH LUA_CPATH
"""

_WRAPPER: Final = """\
#!/bin/sh
# Runs {program} with the loader and the libraries that lie beside it.
here=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd) || exit 3
libraries="$here/usr/lib/{triplet}"
{setting}exec "$libraries/{loader}" --inhibit-cache --library-path "$libraries" {command} "$@"
"""


def install(progress: Progress, *, part: Part = NGINX, upgrade: bool = False) -> Installation:
    """Install a part, unless it is there and new enough; with `upgrade`, take the newest packages in any case.

    An installation that TIDEGATE_NGINX_PREFIX names is the operator's: it is judged, never replaced.
    """
    if part is NGINX and os.environ.get(OVERRIDE):
        theirs = find()
        probe.check_packages(dict(theirs.packages))
        return theirs
    cache = plain(machine.cache_folder())
    if not upgrade and (there := usable(part)):
        return there
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(cache, progress):
            # Another one may have installed it while this one waited.
            if not upgrade and (there := usable(part)):
                return there
            with tempfile.TemporaryDirectory(prefix=f".{part.name}-", dir=cache) as work:
                return _install(Path(work), cache, part, progress)
    except OSError as error:
        message = f"cannot write below {cache}: {error}; TIDEGATE_CACHE chooses another folder"
        raise InstallError(message) from error


def _install(work: Path, cache: Path, part: Part, progress: Progress) -> Installation:
    kind = machine.architecture()
    private = apt.PrivateApt(work / "apt", kind.debian)
    progress(f"{part.name}: reading the list of packages of Debian {machine.SUITE}")
    private.prepare(machine.sources(), part.assumed)
    progress(f"{part.name}: downloading {', '.join(part.packages)} and what they need")
    packages = private.download(part.packages)
    progress(f"{part.name}: unpacking {len(packages)} packages")
    tree = work / "tree"
    # mkdtemp's folders are closed to everybody else, and workers may run as another user.
    tree.mkdir(mode=0o755)
    for package in packages:
        apt.unpack(package.file, tree)
    tree.chmod(0o755)
    _tidy(tree)
    _write_wrappers(tree, part, kind)
    chosen = {package.name: package.version for package in packages}
    (tree / MANIFEST).write_text(manifest_text(platform.machine(), chosen))
    progress(f"{part.name}: checking that it runs")
    made = at(tree, "this is a fault of the installer")
    _check_libraries(made, part)
    if part is NGINX:
        probe.check_minimum(probe.versions(made))
    final = cache / _folder_name(part, chosen)
    _move_into_place(tree, final)
    _point(cache / part.name, final)
    return at(final, "this is a fault of the installer")


def usable(part: Part) -> Installation | None:
    """Return the installation in force if there is one that is new enough. Nothing is run for that."""
    try:
        there = find() if part is NGINX else find_part(part)
        if part is NGINX:
            probe.check_packages(dict(there.packages))
    except InstallError:
        return None
    return there


@contextmanager
def _alone(cache: Path, progress: Progress) -> Iterator[None]:
    with (cache / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another installation into {cache}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tidy(tree: Path) -> None:
    for name in _UNREAD:
        shutil.rmtree(tree / name, ignore_errors=True)
    for notes in (tree / "usr/share/doc").glob("*"):
        if notes.is_symlink() or not notes.is_dir():
            continue
        for file in notes.iterdir():
            if file.name != "copyright":
                shutil.rmtree(file) if file.is_dir() and not file.is_symlink() else file.unlink()


def _write_wrappers(tree: Path, part: Part, kind: machine.Architecture) -> None:
    folder = tree / "bin"
    folder.mkdir()
    for name, program in part.commands.items():
        script = _is_script(tree / program)
        command = f'"$here/usr/bin/lua5.1" "$here/{program}"' if script else f'"$here/{program}"'
        wrapper = folder / name
        wrapper.write_text(
            _WRAPPER.format(
                program=program,
                triplet=kind.triplet,
                loader=kind.loader,
                setting=_LUA_PATHS.format(triplet=kind.triplet) if script else "",
                command=command,
            )
        )
        wrapper.chmod(0o755)


def _is_script(program: Path) -> bool:
    with program.open("rb") as file:
        return file.read(2) == b"#!"


def _check_libraries(made: Installation, part: Part) -> None:
    """Refuse a program or module whose libraries are missing, or would be taken from the machine."""
    objects = [made.prefix / name for name in part.commands.values() if not _is_script(made.prefix / name)]
    objects += sorted(made.module_dir.glob("*.so"))
    objects += sorted(Path(made.library_path).glob("lua/5.1/**/*.so"))
    for item in objects:
        try:
            listed = apt.run(
                [
                    str(made.loader),
                    "--inhibit-cache",
                    "--library-path",
                    made.library_path,
                    "--list",
                    str(item),
                ]
            )
        except PackagesFailed as error:
            message = f"{item.name} cannot be loaded: {error}"
            raise BrokenInstallation(message) from error
        strangers = _strangers(listed.splitlines(), made.prefix)
        if strangers:
            message = f"{item.name} would take {', '.join(strangers)} from outside of its installation"
            raise BrokenInstallation(message)


def _strangers(listed: Iterable[str], prefix: Path) -> list[str]:
    """Return the libraries that the loader finds elsewhere, out of its lines such as `libz.so.1 => /…/libz.so.1`."""
    found = (line.partition(" => ") for line in listed if " => " in line)
    return [name.strip() for name, _, path in found if not path.startswith(f"{prefix}/")]


def _folder_name(part: Part, packages: Mapping[str, str]) -> str:
    """Name the versions that people look for; a digest of all of them tells two otherwise equal folders apart."""
    shown = "-".join(packages[name].partition(":")[2] or packages[name] for name in part.named_by)
    everything = "\n".join(f"{name} {version}" for name, version in sorted(packages.items()))
    return f"{part.name}-{shown}-{hashlib.sha256(everything.encode()).hexdigest()[:8]}"


def _move_into_place(tree: Path, final: Path) -> None:
    if (final / MANIFEST).is_file():
        # The same packages: what is there may be in use, and stays.
        return
    if final.exists():
        shutil.rmtree(final)
    tree.rename(final)


def _point(link: Path, folder: Path) -> None:
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.name)
    fresh.replace(link)
