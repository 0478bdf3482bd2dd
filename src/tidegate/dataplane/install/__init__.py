"""nginx and its Lua module: found, installed and judged.

The data plane is Debian 13's nginx, unpacked into a folder of its own with every library that it needs, the C library
and its loader included. It therefore runs alike on Debian 12 and 13, needs no root, changes nothing on the machine,
and is not replaced under a running gateway. Packages are found, verified and downloaded by the machine's own apt.

This package needs nothing but Python itself, and nothing happens when it is imported.
"""

from tidegate.dataplane.install.assembly import Progress, install, usable
from tidegate.dataplane.install.errors import (
    BrokenInstallation,
    InstallError,
    NotInstalled,
    PackagesFailed,
    TooOld,
    UnknownSources,
)
from tidegate.dataplane.install.installed import Installation, find, find_part
from tidegate.dataplane.install.parts import NGINX, TOOLS, Part
from tidegate.dataplane.install.probe import MINIMUM_PACKAGES, Versions, check_minimum, versions

__all__ = [
    "MINIMUM_PACKAGES",
    "NGINX",
    "TOOLS",
    "BrokenInstallation",
    "InstallError",
    "Installation",
    "NotInstalled",
    "PackagesFailed",
    "Part",
    "Progress",
    "TooOld",
    "UnknownSources",
    "Versions",
    "check_minimum",
    "find",
    "find_part",
    "install",
    "usable",
    "versions",
]
