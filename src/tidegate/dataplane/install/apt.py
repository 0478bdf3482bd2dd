"""apt, working in folders of its own.

Packages of another suite are found, verified and downloaded by the machine's apt with its settings (proxies,
credentials, certificates), while the lists, the cache and the database of installed packages are private. So nothing
changes on the machine, and it works for every user.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidegate.dataplane.install.errors import PackagesFailed
from tidegate.dataplane.install.machine import SUITE, Sources

_KEYRINGS: Final = Path("usr/share/keyrings")
_KEYRING: Final = "debian-archive-keyring.gpg"
# The keyring holds the suite's keys if it comes with this file too.
_SUITE_KEY: Final = f"debian-archive-{SUITE}-stable.gpg"

# A hanging mirror must not hang the installation: two minutes are far more than a slow one needs to answer.
_SETTINGS: Final = """\
// Hooks of the machine (desktop notifications, cache cleaning) are for its own package lists.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
Dir::State "{work}/state/";
Dir::State::status "{work}/status";
Dir::Cache "{work}/cache/";
Dir::Etc::sourcelist "{work}/packages.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Default-Release "";
APT::Architecture "{architecture}";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
// These folders may lie where apt's own unprivileged user cannot reach.
APT::Sandbox::User "root";
Acquire::Retries "3";
Acquire::http::Timeout "120";
Acquire::https::Timeout "120";
"""


@dataclass(frozen=True, slots=True)
class Package:
    """A downloaded package."""

    name: str
    version: str
    file: Path


class PrivateApt:
    """apt with its own lists, cache and status below `work`, for the packages of one suite."""

    def __init__(self, work: Path, architecture: str) -> None:
        self._work = work
        self._architecture = architecture
        self._settings = work / "apt.conf"

    def prepare(self, sources: Sources, assumed: Iterable[str]) -> None:
        """Fetch the list of packages; those `assumed` count as installed, so that nothing brings them in."""
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (self._work / folder).mkdir(parents=True)
        # The newest version there can be: no dependency on it is ever unmet.
        (self._work / "status").write_text(
            "".join(
                f"Package: {name}\nStatus: install ok installed\nVersion: 999999\n"
                f"Architecture: {self._architecture}\nMaintainer: none\nDescription: assumed\n\n"
                for name in assumed
            )
        )
        self._settings.write_text(_SETTINGS.format(work=self._work, architecture=self._architecture))
        (self._work / "packages.sources").write_text(sources.text(self._architecture, self._keyring()))
        self._run("update", "-q", "--error-on=any")

    def download(self, names: Iterable[str]) -> tuple[Package, ...]:
        """Download these packages and all that they depend on."""
        self._run("install", "-q", "--yes", "--download-only", *names)
        files = sorted((self._work / "cache" / "archives").glob("*.deb"))
        return tuple(self._described(file) for file in files)

    def _keyring(self) -> Path:
        machine = Path("/") / _KEYRINGS
        if (machine / _SUITE_KEY).is_file():
            return machine / _KEYRING
        return self._newer_keyring()

    def _newer_keyring(self) -> Path:
        """Fetch the machine's own keyring package, for the installed one is older than the suite.

        The machine's apt verifies it with the keys that it has, so trust is handed on and not assumed.
        """
        work = self._work / "keyring"
        (work / "lists" / "partial").mkdir(parents=True)
        (work / "cache" / "archives" / "partial").mkdir(parents=True)
        options = (
            f"Dir::State={work}",
            f"Dir::Cache={work}/cache",
            "APT::Sandbox::User=root",
            "Dir::State::status=/dev/null",
        )
        flags = [word for option in options for word in ("-o", option)]
        run(["apt-get", *flags, "-q", "update"], cwd=work)
        run(["apt-get", *flags, "-q", "download", "debian-archive-keyring"], cwd=work)
        for file in work.glob("*.deb"):
            unpack(file, work / "unpacked")
        folder = work / "unpacked" / _KEYRINGS
        if not (folder / _SUITE_KEY).is_file():
            message = (
                f"the machine's debian-archive-keyring has no key for Debian {SUITE}, nor has the newest one that its"
                " package sources offer; enable the -updates suite of this machine's release and try again"
            )
            raise PackagesFailed(message)
        return folder / _KEYRING

    def _described(self, file: Path) -> Package:
        fields = run(["dpkg-deb", "--showformat=${Package} ${Version}", "--show", str(file)]).split()
        return Package(fields[0], fields[1], file)

    def _run(self, *words: str) -> str:
        return run(["apt-get", "-c", str(self._settings), *words])


def unpack(file: Path, folder: Path) -> None:
    """Unpack the files of a package into a folder; its scripts are not run."""
    folder.mkdir(parents=True, exist_ok=True)
    run(["dpkg-deb", "--extract", str(file), str(folder)])


def run(argv: list[str], cwd: Path | None = None) -> str:
    """Run a program to its end and return what it printed on its standard output."""
    return _done(argv, cwd).stdout


def run_for_all(argv: list[str]) -> str:
    """Run a program to its end and return all that it printed, its messages included."""
    done = _done(argv, None)
    return done.stdout + done.stderr


def _done(argv: list[str], cwd: Path | None) -> subprocess.CompletedProcess[str]:
    if shutil.which(argv[0]) is None:
        message = (
            f"{argv[0]!r} is not on this machine: the data plane is installed with Debian's apt and dpkg"
        )
        raise PackagesFailed(message)
    done = subprocess.run(
        argv,
        cwd=cwd,
        # Messages are quoted in errors and read by people who search for them.
        env=os.environ | {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = "\n".join(f"  {line}" for line in (done.stderr or done.stdout).splitlines()[-12:])
        message = f"`{' '.join(argv)}` failed with exit code {done.returncode}:\n{said}"
        raise PackagesFailed(message)
    return done
