"""The folder as it is: its manifest files, found over links, and the watches that tell of their changes.

Paths here are those that a user sees (``folder/name``), also for what is reached over a link. Hidden names (``.x``, and so
``..data`` of a mounted ConfigMap) and names without a manifest's ending are not looked at, but links through them are
followed. A link that leads to a folder above itself is not.
"""

# Paths are keys of large maps here: plain strings, which take a third of the room of Path.
# ruff: noqa: PTH100, PTH114, PTH116, PTH118, PTH120

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Final, NamedTuple

from tidegate.sources._links import hops
from tidegate.sources._opening import GONE
from tidegate.sources._watching import NoWatch, Watcher

ENDINGS: Final = (".yaml", ".yml", ".json")
_FOLDERS_DEEP: Final = 64


class Seen(NamedTuple):
    """A manifest file that is there."""

    path: str
    size: int
    signature: int
    """Differs (all but surely) if the file was changed or replaced."""


class Blocked(NamedTuple):
    """A file or folder that cannot be looked at."""

    path: str
    error: OSError


class _Folder(NamedTuple):
    path: str
    ancestors: tuple[tuple[int, int], ...]
    """Device and inode of the folder and all above it, up to the root."""


class Tree:
    """Finds files and keeps the watches."""

    def __init__(self, root: str, watcher: Watcher | None) -> None:
        """Take the absolute path of the folder. Without a watcher it is only looked at."""
        self.root = root
        self.unwatched = False
        """True if some folder could not be watched, so that changes have to be looked for."""
        self._watcher = watcher
        self._folders: dict[str, tuple[int, tuple[tuple[int, int], ...]]] = {}
        """For each folder its watch, and its ancestors."""
        self._paths: dict[int, set[str]] = {}
        """For each watch the paths under which its folder is seen."""
        self._links: dict[str, list[tuple[int, str]]] = {}
        """For each path over links: the watches and names on which it depends."""
        self._dependents: dict[tuple[int, str], set[str]] = {}

    def look(self, path: str) -> Iterator[Seen | Blocked | None]:
        """Give every manifest file at or under a path; None now and then, as a pause."""
        self._follow(path)
        try:
            status = os.stat(path)
        except OSError as e:
            self._forget_folders(path)
            if e.errno not in GONE:
                yield Blocked(path, e)
            return
        parent = self._folders.get(os.path.dirname(path))
        if path == self.root:
            parent = (-1, ())
        if parent is None:
            return  # reachable, but in a folder that does not count: behind a link that leads to a folder above it
        if stat.S_ISDIR(status.st_mode):
            yield from self._walk(path, status, parent[1])
        elif stat.S_ISREG(status.st_mode) and path.endswith(ENDINGS) and path != self.root:
            self._forget_folders(path)
            yield _seen(path, status)

    def plain(self, path: str) -> Seen | None:
        """Give a manifest that is a file of its own in a folder that is looked at; None for all else. Changes nothing."""
        if path in self._folders or path in self._links or not (self.counts(path) and path.endswith(ENDINGS)):
            return None
        try:
            status = os.lstat(path)
        except OSError:
            return None
        return _seen(path, status) if stat.S_ISREG(status.st_mode) else None

    def counts(self, path: str) -> bool:
        """Tell whether the folder of a path is one of those that are looked at."""
        return os.path.dirname(path) in self._folders

    def touched(self, watch: int, name: str) -> set[str]:
        """Give the paths that a change of a name in a watched folder concerns. An empty name is the folder itself."""
        folders = self._paths.get(watch, set())
        if not name:
            return set(folders)
        found = set(self._dependents.get((watch, name), ()))
        if not name.startswith(".") and _is_text(name):
            found.update(os.path.join(folder, name) for folder in folders)
        return {p for p in found if p == self.root or p in self._folders or _is_of_use(p)}

    def lost(self, watch: int) -> set[str]:
        """Give the paths that depended on a watch which has ended."""
        found = self._paths.pop(watch, set())
        for path in found:
            self._folders.pop(path, None)
        for key in [k for k in self._dependents if k[0] == watch]:
            found |= self._dependents.pop(key)
        return found

    # --- folders ------------------------------------------------------------------------------------------------------

    def _walk(
        self, path: str, status: os.stat_result, ancestors: tuple[tuple[int, int], ...]
    ) -> Iterator[Seen | Blocked | None]:
        before = self._folders_under(path)
        todo = [(path, status, ancestors)]
        while todo:
            here, status, above = todo.pop()
            identity = (status.st_dev, status.st_ino)
            if identity in above or len(above) >= _FOLDERS_DEEP:
                continue
            yield None
            before.discard(here)
            try:
                # The watch comes first: what is written after the look is told by it.
                self._watch_folder(here, (*above, identity))
                with os.scandir(here) as entries:
                    for entry in entries:
                        found = self._entry(entry)
                        if isinstance(found, os.stat_result):
                            todo.append((entry.path, found, (*above, identity)))
                        else:
                            yield found
            except OSError as e:
                yield Blocked(here, e)
        for folder in before:
            self._drop_folder(folder)

    def _entry(self, entry: os.DirEntry[str]) -> Seen | Blocked | os.stat_result | None:
        """Give a file, the status of a folder, or None for what does not count."""
        if entry.name.startswith(".") or not _is_text(entry.name):
            return None
        if not entry.name.endswith(ENDINGS) and not (entry.is_symlink() or entry.is_dir()):
            return None
        try:
            if entry.is_symlink():
                self._follow(entry.path)
            status = entry.stat()
        except OSError as e:
            return None if e.errno in GONE else Blocked(entry.path, e)
        if stat.S_ISDIR(status.st_mode):
            return status
        if stat.S_ISREG(status.st_mode) and entry.name.endswith(ENDINGS):
            return _seen(entry.path, status)
        return None

    def _watch_folder(self, path: str, ancestors: tuple[tuple[int, int], ...]) -> None:
        watch = self._watch(path)
        before = self._folders.get(path)
        if before is not None and before[0] != watch:
            self._release_path(path, before[0])
        self._folders[path] = (watch, ancestors)
        self._paths.setdefault(watch, set()).add(path)

    def _folders_under(self, path: str) -> set[str]:
        return {f for f in self._folders if f == path or f.startswith(f"{path}/")}

    def _forget_folders(self, path: str) -> None:
        """Drop the folders at and under a path that is no folder any more."""
        if path in self._folders:
            for folder in self._folders_under(path):
                self._drop_folder(folder)

    def _drop_folder(self, folder: str) -> None:
        self._release_path(folder, self._folders.pop(folder)[0])
        for link in [p for p in self._links if p.startswith(f"{folder}/")]:
            self._unlink(link)

    def _release_path(self, path: str, watch: int) -> None:
        paths = self._paths.get(watch)
        if paths is not None:
            paths.discard(path)
            self._release(watch)

    # --- links --------------------------------------------------------------------------------------------------------

    def _follow(self, path: str) -> None:
        """Watch every name on the way of a path that is a link; of the root also if it is none."""
        before = self._links.get(path)
        if path != self.root and before is None and not os.path.islink(path):
            return
        now = []
        for hop in hops(os.path.abspath(path)) if path == self.root or os.path.islink(path) else ():
            try:
                now.append((self._watch(hop.folder), hop.name))
            except OSError:
                continue
        for key in now:
            self._dependents.setdefault(key, set()).add(path)
        for key in set(before or ()) - set(now):
            self._leave(key, path)
        if now:
            self._links[path] = now
        else:
            self._links.pop(path, None)

    def _unlink(self, path: str) -> None:
        for key in set(self._links.pop(path, ())):
            self._leave(key, path)

    def _leave(self, key: tuple[int, str], path: str) -> None:
        dependents = self._dependents.get(key)
        if dependents is None:
            return
        dependents.discard(path)
        if not dependents:
            del self._dependents[key]
            self._release(key[0])

    # --- watches ------------------------------------------------------------------------------------------------------

    def _watch(self, folder: str) -> int:
        if self._watcher is None:
            return -1
        try:
            return self._watcher.add(folder)
        except NoWatch:
            self.unwatched = True
            return -1

    def _release(self, watch: int) -> None:
        """End a watch that nothing needs any more."""
        if self._paths.get(watch):
            return
        self._paths.pop(watch, None)
        if not any(k[0] == watch for k in self._dependents) and self._watcher is not None:
            self._watcher.remove(watch)


def _is_of_use(path: str) -> bool:
    """Tell whether a path that was touched is, or was, a manifest or a folder."""
    if path.endswith(ENDINGS):
        return True
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return True


def _is_text(name: str) -> bool:
    """Tell whether a file name is UTF-8. Others are not looked at: they could stand in no finding."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _seen(path: str, status: os.stat_result) -> Seen:
    identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return Seen(path, status.st_size, hash(identity))
