"""The versions of a data plane as loaded, and whether they are new enough.

A package's version says what was unpacked; only the running program says what it loaded. Both are judged.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidegate.dataplane.install import apt, debversion
from tidegate.dataplane.install.errors import BrokenInstallation, PackagesFailed, TooOld
from tidegate.dataplane.install.installed import Installation

MINIMUM_PACKAGES: Final = {
    "nginx": "1.26.3-3+deb13u11",
    "libnginx-mod-http-lua": "1:0.10.28-2",
    "libssl3t64": "3.5.7-1~deb13u3",
}
"""Debian's security suite has fixed known faults up to here. Older ones are refused."""

_LOADED: Final = {"nginx": "nginx", "libnginx-mod-http-lua": "lua_module", "libssl3t64": "openssl"}
"""Package → the field of Versions in which the running program names it."""

_MARK: Final = "tidegate-probe:"

# `nginx -t` skips init_by_lua, so nginx is started for real: it leaves from there, before it opens anything.
_CONFIGURATION: Final = """\
{modules}
pid {folder}/nginx.pid;
error_log {folder}/error.log notice;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    lua_package_path "{lua_path}";
    lua_package_cpath "{lua_cpath}";
    init_by_lua_block {{
        local ffi = require "ffi"
        ffi.cdef "const char *OpenSSL_version(int type);"
        local cjson = require "cjson"
        io.stderr:write("\\n{mark}", cjson.encode({{
            nginx_number = ngx.config.nginx_version,
            lua_number = ngx.config.ngx_lua_version,
            luajit = jit.version,
            resty_core = require("resty.core").version,
            lrucache = require("resty.lrucache")._VERSION,
            openssl = ffi.string(ffi.C.OpenSSL_version(0)),
            cjson = cjson._VERSION,
        }}), "\\n")
        os.exit(0)
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Versions:
    """What an installation consists of: as its programs say when they run, and as packaged."""

    nginx: str
    lua_module: str
    luajit: str
    resty_core: str
    openssl: str
    built_with: str
    """nginx's own account of how it was compiled."""
    packages: dict[str, str]


def versions(installation: Installation) -> Versions:
    """Run the data plane for a moment, without opening a socket, and return what it says of itself."""
    with tempfile.TemporaryDirectory(prefix="tidegate-probe-") as name:
        folder = Path(name)
        configuration = folder / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                modules="\n".join(installation.module_lines()),
                folder=folder,
                lua_path=installation.lua_path,
                lua_cpath=installation.lua_cpath,
                mark=_MARK,
            )
        )
        nginx = installation.nginx_argv()
        try:
            built = apt.run_for_all([*nginx, "-e", str(folder / "error.log"), "-V"])
            said = apt.run_for_all(
                [*nginx, "-p", str(folder), "-c", str(configuration), "-e", str(folder / "error.log")]
            )
        except (PackagesFailed, OSError) as error:
            message = f"the nginx in {installation.prefix} does not run: {error}"
            raise BrokenInstallation(message) from error
    line = next((line for line in said.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        message = f"the nginx in {installation.prefix} runs no Lua; it said:\n{said}"
        raise BrokenInstallation(message)
    told = json.loads(line.removeprefix(_MARK))
    return Versions(
        nginx=_dotted(told["nginx_number"]),
        lua_module=_dotted(told["lua_number"]),
        luajit=told["luajit"],
        resty_core=told["resty_core"],
        openssl=_openssl_number(told["openssl"]),
        built_with=built.strip(),
        packages=dict(installation.packages),
    )


def check_minimum(found: Versions) -> None:
    """Raise TooOld, naming every part that is older than the least version that Tidegate accepts."""
    check_packages(found.packages)
    faults = [
        f"{package} runs as {loaded}, and at least {debversion.upstream(least)} is needed"
        for package, least in MINIMUM_PACKAGES.items()
        if debversion.compare(loaded := getattr(found, _LOADED[package]), debversion.upstream(least)) < 0
    ]
    if faults:
        raise TooOld("; ".join(faults))


def check_packages(packages: dict[str, str]) -> None:
    """Do the part of check_minimum that needs no nginx to run."""
    faults = [
        f"{package} is {packages.get(package, 'missing')}, and at least {least} is needed"
        for package, least in MINIMUM_PACKAGES.items()
        if debversion.compare(packages.get(package, "0"), least) < 0
    ]
    if faults:
        raise TooOld(
            "; ".join(faults)
            + ": run `tidegate nginx --install` where Debian's security archive can be reached"
        )


def _dotted(number: int) -> str:
    """1026003 → 1.26.3, 10028 → 0.10.28: the way in which nginx and its Lua module write their versions."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _openssl_number(text: str) -> str:
    found = re.search(r"\d+\.\d+\.\d+", text)
    return found[0] if found else text
