"""`tidegate version`: the version of every part, as loaded."""

from __future__ import annotations

import platform

import msgspec

import tidegate
from tidegate.cli import _output
from tidegate.cli._errors import FINE, WORLD_FAILED
from tidegate.cli._flags import OutputFlag
from tidegate.cli._types import Output
from tidegate.dataplane import install


class _Part(msgspec.Struct, frozen=True):
    part: str
    version: str
    package: str = ""


def version(*, output: OutputFlag = Output.TEXT) -> int:
    """Show the version of every part, as the running programs say.

    Ends with 3 if the data plane is missing, or older than what Tidegate accepts.
    """
    parts = [_Part("tidegate", tidegate.__version__), _Part("python", platform.python_version())]
    trouble = ""
    try:
        found = install.versions(install.find())
        parts += _parts(found)
        install.check_minimum(found)
    except install.InstallError as error:
        trouble = str(error)
    if output is Output.JSON:
        _output.json({"parts": parts, "trouble": trouble})
    else:
        _output.table("", ("part", "version", "package"), [(p.part, p.version, p.package) for p in parts], "")
        if trouble:
            _output.console().print(f"[red]{trouble}[/]", soft_wrap=True)
    return WORLD_FAILED if trouble else FINE


def _parts(found: install.Versions) -> list[_Part]:
    packages = found.packages
    return [
        _Part("nginx", found.nginx, packages.get("nginx", "")),
        _Part("nginx lua module", found.lua_module, packages.get("libnginx-mod-http-lua", "")),
        _Part("LuaJIT", found.luajit, packages.get("libluajit-5.1-2", "")),
        _Part("lua-resty-core", found.resty_core, packages.get("lua-resty-core", "")),
        _Part("OpenSSL", found.openssl, packages.get("libssl3t64", "")),
    ]
