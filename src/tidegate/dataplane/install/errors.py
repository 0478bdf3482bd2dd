"""Everything that can go wrong with an installation, as one tree.

Each message says what was met and what to do about it: it is printed to the operator as it stands.
"""

from __future__ import annotations


class InstallError(Exception):
    """The data plane cannot be installed or used."""


class NotInstalled(InstallError):
    """There is no installation where one is looked for."""


class BrokenInstallation(InstallError):
    """There is an installation, but it does not run or is not what it says it is."""


class TooOld(InstallError):
    """A part is older than the least version that Tidegate accepts."""


class UnknownSources(InstallError):
    """The machine's own package sources do not tell where Debian's packages come from."""


class PackagesFailed(InstallError):
    """apt or dpkg failed."""
