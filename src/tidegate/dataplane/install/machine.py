"""What the installer must know of the machine: its architecture, its folders, and where its packages come from.

Reading and deciding are kept apart: the functions that decide take text and return values.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidegate.dataplane.install.errors import InstallError, UnknownSources

SUITE: Final = "trixie"
"""Debian 13: the suite whose nginx and Lua module Tidegate is written for."""

_SECURITY_SUITE: Final = f"{SUITE}-security"

_SUITES: Final = frozenset(
    {"bookworm", "trixie", "forky", "sid", "stable", "oldstable", "testing", "unstable"}
)
_DOWNLOADS: Final = frozenset(
    {"http", "https", "file", "copy", "mirror", "mirror+file", "mirror+http", "mirror+https"}
)


@dataclass(frozen=True, slots=True)
class Architecture:
    """A processor that Debian's packages are installed for."""

    debian: str
    """Debian's name for it."""
    triplet: str
    """The folder of its libraries below usr/lib."""
    loader: str
    """The dynamic loader, below usr/lib/<triplet>."""


_ARCHITECTURES: Final = {
    "x86_64": Architecture("amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "aarch64": Architecture("arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}


def architecture(machine: str | None = None) -> Architecture:
    """Return the processor of this machine, or of the one that `uname -m` calls `machine`."""
    name = machine or platform.machine()
    try:
        return _ARCHITECTURES[name]
    except KeyError:
        known = " and ".join(_ARCHITECTURES)
        message = f"the data plane is installed on {known}; this machine is {name!r}"
        raise InstallError(message) from None


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder that holds all installations: TIDEGATE_CACHE, or one in the user's cache folder."""
    variables = os.environ if environ is None else environ
    if own := variables.get("TIDEGATE_CACHE"):
        return Path(own).absolute()
    if user := variables.get("XDG_CACHE_HOME"):
        return Path(user).absolute() / "tidegate"
    home = variables.get("HOME")
    return (Path(home) if home else Path.home()) / ".cache" / "tidegate"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where Debian's packages come from on this machine, and so where those of another suite will."""

    archive: str
    security: str

    def text(self, architecture: str, keyring: Path) -> str:
        """Return these sources in apt's own format, for the suite that Tidegate needs."""
        return "\n".join(
            "\n".join(
                (
                    "Types: deb",
                    f"URIs: {uri}",
                    f"Suites: {suite}",
                    "Components: main",
                    f"Architectures: {architecture}",
                    # Only the list of packages: translations, icons and contents are not looked at.
                    "Targets: Packages",
                    "Languages: none",
                    f"Signed-By: {keyring}",
                    "",
                )
            )
            for uri, suite in ((self.archive, SUITE), (self.security, _SECURITY_SUITE))
        )


@dataclass(frozen=True, slots=True)
class _Entry:
    uri: str
    suite: str
    components: tuple[str, ...]


def sources(apt_folder: Path = Path("/etc/apt")) -> Sources:
    """Return where this machine's Debian packages come from, as its apt settings say."""
    lists = [apt_folder / "sources.list", *sorted((apt_folder / "sources.list.d").glob("*.list"))]
    stanzas = sorted((apt_folder / "sources.list.d").glob("*.sources"))
    entries = [entry for path in lists if path.is_file() for entry in _one_line_entries(path.read_text())]
    entries += [entry for path in stanzas for entry in _stanza_entries(path.read_text())]
    return sources_among(entries, str(apt_folder))


def sources_among(entries: Iterable[_Entry], where: str) -> Sources:
    """Pick Debian's archive and its security archive among all the entries found in `where`."""
    archive = security = None
    for entry in entries:
        scheme = entry.uri.partition(":")[0]
        if scheme not in _DOWNLOADS or "main" not in entry.components:
            continue
        release = entry.suite.rstrip("/")
        if release in _SUITES:
            archive = archive or entry.uri
        # Until Debian 10 the security suites were called "<release>/updates".
        elif release.removesuffix("-security") in _SUITES:
            security = security or entry.uri
    if archive is None or security is None:
        missing = "archive" if archive is None else "security archive"
        message = (
            f"no entry of {where} names Debian's {missing} (a suite such as"
            f" bookworm{'' if archive is None else '-security'}, component main); add it as Debian's installer"
            " writes it, or name an existing installation in TIDEGATE_NGINX_PREFIX"
        )
        raise UnknownSources(message)
    return Sources(archive, security)


def _one_line_entries(text: str) -> Iterator[_Entry]:
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if not words or words[0] != "deb":
            continue
        rest = words[1:]
        if rest and rest[0].startswith("["):
            end = next((i for i, word in enumerate(rest) if word.endswith("]")), len(rest))
            rest = rest[end + 1 :]
        if len(rest) >= 3:
            yield _Entry(rest[0], rest[1], tuple(rest[2:]))


def _stanza_entries(text: str) -> Iterator[_Entry]:
    for stanza in _stanzas(text):
        if "deb" not in stanza.get("types", "").split() or stanza.get("enabled", "yes").lower() in {
            "no",
            "false",
            "0",
        }:
            continue
        for uri in stanza.get("uris", "").split():
            for suite in stanza.get("suites", "").split():
                yield _Entry(uri, suite, tuple(stanza.get("components", "").split()))


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line.startswith("#"):
            continue
        elif line[0].isspace():
            fields[name] = f"{fields.get(name, '')} {line.strip()}"
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
