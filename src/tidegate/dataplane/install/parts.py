"""What is installed: the data plane itself, the programs that developers check and load it with, and peers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Part:
    """A set of packages that is installed into one folder."""

    name: str
    """Of the link that points to the folder in force."""
    packages: tuple[str, ...]
    assumed: tuple[str, ...]
    """Packages that those depend on and that nothing here runs: they are left out."""
    commands: dict[str, str]
    """Command in the folder's bin/ → the program that it runs, below the folder."""
    named_by: tuple[str, ...]
    """The packages whose versions stand in the folder's name."""


# debconf is for the questions that an installation asks; ours asks none.
NGINX: Final = Part(
    name="nginx",
    packages=(
        "nginx",
        "nginx-common",
        "libnginx-mod-http-lua",
        "libnginx-mod-http-ndk",
        "libnginx-mod-stream",
        "libluajit-5.1-2",
        "lua-resty-core",
        "lua-resty-lrucache",
        "lua-cjson",
    ),
    # iproute2 is for the init script of nginx; the legacy ciphers are never configured.
    assumed=("debconf", "iproute2", "openssl-provider-legacy"),
    commands={"nginx": "usr/sbin/nginx"},
    named_by=("nginx", "libnginx-mod-http-lua"),
)

TOOLS: Final = Part(
    name="tools",
    packages=("lua-check", "lua5.1", "lua-argparse", "lua-filesystem", "wrk", "nghttp2-client"),
    assumed=("debconf", "openssl-provider-legacy", "readline-common"),
    commands={
        "luacheck": "usr/bin/luacheck",
        "wrk": "usr/bin/wrk",
        "h2load": "usr/bin/h2load",
        "lua5.1": "usr/bin/lua5.1",
    },
    named_by=("lua-check", "wrk", "nghttp2-client"),
)

# What its service file and its installation need, and what is for Caddy's own certificates.
PEERS: Final = Part(
    name="peers",
    packages=("haproxy", "caddy"),
    assumed=(
        "debconf",
        "openssl-provider-legacy",
        "adduser",
        "systemd",
        "libsystemd-shared",
        "mailcap",
        "perl",
    ),
    commands={"haproxy": "usr/sbin/haproxy", "caddy": "usr/bin/caddy"},
    named_by=("haproxy", "caddy"),
)
"""Other gateways, for `make bench-peers` alone."""

PARTS: Final = {part.name: part for part in (NGINX, TOOLS, PEERS)}
