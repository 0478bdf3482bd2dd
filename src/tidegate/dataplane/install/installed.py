"""An installation on disk: finding it, and what the rest of Tidegate asks of it.

Finding is cheap (one small file is read) and never installs anything.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidegate.dataplane.install import machine
from tidegate.dataplane.install.errors import BrokenInstallation, InstallError, NotInstalled
from tidegate.dataplane.install.parts import NGINX, Part

MANIFEST: Final = "installation.json"
"""Written last: a folder without it is not an installation."""

OVERRIDE: Final = "TIDEGATE_NGINX_PREFIX"
"""The variable that names an installation made elsewhere, in a container image for example."""

FORMAT: Final = 1
"""Of the manifest. An installation of another format is installed anew."""

_PLAIN_PATH: Final = re.compile(r"/[A-Za-z0-9/_.+~@%=,-]*")
_ORDER: Final = ("ndk_http_module.so", "ngx_http_lua_module.so", "ngx_stream_module.so")


@dataclass(frozen=True, slots=True)
class Installation:
    """A folder with nginx, its Lua module and every library that they need, the C library included."""

    prefix: Path
    architecture: machine.Architecture
    packages: Mapping[str, str]
    """Name → version of each Debian package that was unpacked."""

    def argv(self, program: str) -> list[str]:
        """Return the start of a command line that runs `program` (a path below the prefix) with its own libraries."""
        return [
            str(self.loader),
            "--inhibit-cache",
            "--library-path",
            self.library_path,
            str(self.prefix / program),
        ]

    def nginx_argv(self) -> list[str]:
        """Return the start of a command line that runs nginx; its own options follow.

        The paths compiled into this binary are those of a system's nginx, so the options should give all of
        them: `-p` (prefix), `-c` (configuration) and `-e` (error log).
        """
        return self.argv("usr/sbin/nginx")

    @property
    def loader(self) -> Path:
        """The dynamic loader of the unpacked C library."""
        return self._libraries / self.architecture.loader

    @property
    def library_path(self) -> str:
        """Where the loader looks for libraries."""
        return str(self._libraries)

    @property
    def module_dir(self) -> Path:
        """The folder of nginx's dynamic modules."""
        return self.prefix / "usr/lib/nginx/modules"

    @property
    def mime_types(self) -> Path:
        """Debian's table of media types, to be included in nginx.conf."""
        return self.prefix / "etc/nginx/mime.types"

    @property
    def lua_path(self) -> str:
        """The value of lua_package_path for the installed Lua libraries. It names no folder of the system."""
        share = self.prefix / "usr/share"
        return f"{share}/lua/5.1/?.lua;{share}/lua/5.1/?/init.lua;{share}/luajit-2.1/?.lua"

    @property
    def lua_cpath(self) -> str:
        """The value of lua_package_cpath for the installed Lua libraries. It names no folder of the system."""
        return f"{self._libraries}/lua/5.1/?.so"

    def module_lines(self) -> list[str]:
        """Return the lines that load the modules, in the order in which they need each other."""
        return [f"load_module {self.module_dir / name};" for name in _ORDER]

    @property
    def _libraries(self) -> Path:
        return self.prefix / "usr/lib" / self.architecture.triplet


def find(environ: Mapping[str, str] | None = None) -> Installation:
    """Return the installed data plane: that of TIDEGATE_NGINX_PREFIX, or the one in force in the cache folder."""
    variables = os.environ if environ is None else environ
    if override := variables.get(OVERRIDE):
        return at(Path(override), f"it is named by {OVERRIDE}")
    return find_part(NGINX, variables)


def find_part(part: Part, environ: Mapping[str, str] | None = None) -> Installation:
    """Return the installation of a part that is in force in the cache folder."""
    return at(
        machine.cache_folder(environ) / part.name,
        "run `make setup` or `tidegate nginx --install`" if part is NGINX else "run `make setup`",
    )


def at(folder: Path, advice: str) -> Installation:
    """Return the installation in a folder, or of the folder that a link points to."""
    # Resolved at once: the link may move to a newer installation while this one is in use.
    prefix = folder.resolve()
    try:
        manifest = json.loads((prefix / MANIFEST).read_text())
    except FileNotFoundError:
        message = f"the data plane is not installed in {folder}: {advice}"
        raise NotInstalled(message) from None
    except (OSError, ValueError) as error:
        message = (
            f"{prefix / MANIFEST} cannot be read ({error}): remove {prefix} and install again ({advice})"
        )
        raise BrokenInstallation(message) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        message = f"{prefix} was written by another version of Tidegate: {advice}"
        raise NotInstalled(message)
    return Installation(plain(prefix), machine.architecture(manifest["machine"]), manifest["packages"])


def manifest_text(name_of_machine: str, packages: Mapping[str, str]) -> str:
    """Return the manifest of an installation."""
    manifest = {"format": FORMAT, "machine": name_of_machine, "packages": dict(sorted(packages.items()))}
    return json.dumps(manifest, indent=1) + "\n"


def plain(path: Path) -> Path:
    """Return the path if it can stand unquoted in nginx.conf, a Lua search path and apt.conf; refuse it otherwise."""
    if not _PLAIN_PATH.fullmatch(str(path)):
        message = (
            f"{str(path)!r} has characters that mean something else in nginx.conf or in a list of folders;"
            " choose another folder in TIDEGATE_CACHE (letters, digits and /_.+~@%=,- are fine)"
        )
        raise InstallError(message)
    return path
