"""Test tools that are Go programs: h2spec (is a server true to HTTP/2?), ghz (load by gRPC) and a fast gRPC server.

``make go-tools``, or ``python -m harness.gotools [NAME…]``, builds them once into the cache folder, from the versions that
``harness/go/go.mod`` pins and the checksums of its ``go.sum``. It takes the machine's Go if that is new enough; else it
fetches Go itself from the module proxy that ``GOPROXY`` names, into the cache folder, judged by a checksum that stands
here. Nothing is fetched or built when a tool is only looked for.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tidegate.dataplane.install.machine import cache_folder

PACKAGES = {
    "h2spec": "github.com/summerwind/h2spec/cmd/h2spec",
    "ghz": "github.com/bojand/ghz/cmd/ghz",
    "grpcecho": "./grpcecho",
}
"""Tools, each with its package."""

_MODULE = Path(__file__).with_name("go")
_LEAST = (1, 24)
"""The Go that knows ``tool`` lines of a go.mod."""
_GO = "1.26.8"
_CHECKSUMS = {
    "amd64": "ZOmGe1OnfREDMIdb1Qi4G9JSuDPBLGExZMQ4nis1RXM=",
    "arm64": "sYL/O6MqS68ML0kjsQ36WoYIpJqkw60TxizWUYUKQMc=",
}
"""Of the fetched Go by architecture, as go.sum has them (h1)."""


class NotBuilt(RuntimeError):
    """A tool is not there, or cannot be built here; the text says what to do."""


def tool(name: str) -> list[str]:
    """Give the start of a command line that runs a tool. Raises `NotBuilt` if nobody has built it."""
    if (program := _bin() / name).is_file():
        return [str(program)]
    raise NotBuilt(f"{name} is not built: run `make go-tools`")


def build(names: Sequence[str] = tuple(PACKAGES)) -> None:
    """Build what is not there yet, and say so line by line. Raises `NotBuilt`."""
    if all((_bin() / name).is_file() for name in names):
        return
    with _alone():
        missing = [name for name in names if not (_bin() / name).is_file()]
        go = _own_go() or _fetched_go() if missing else ""
        for name in missing:
            _build(name, go)


def _bin() -> Path:
    pinned = b"".join((_MODULE / name).read_bytes() for name in ("go.mod", "go.sum", "grpcecho/main.go"))
    return _folder() / f"bin-{hashlib.sha256(pinned).hexdigest()[:12]}"


def _folder() -> Path:
    return cache_folder() / "go"


@contextmanager
def _alone() -> Iterator[None]:
    """Two that build at once wait for each other."""
    _folder().mkdir(parents=True, exist_ok=True)
    with (_folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(name: str, go: str) -> None:
    _say(f"{name}: building (once; a minute or two)")
    begin = time.monotonic()
    made = _bin() / f".{name}"
    words = ["build", "-p", "2", "-trimpath", "-modcacherw", "-buildvcs=false", "-ldflags=-s -w"]
    own = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    if go.startswith(str(_folder())):
        # Whoever has no Go of his own gets none of its folders in his home either.
        own |= {"GOPATH": str(_folder() / "path"), "GOCACHE": str(_folder() / "build")}
    done = subprocess.run(
        [go, *words, "-o", str(made), PACKAGES[name]],
        cwd=_MODULE, env=os.environ | own, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = "\n".join(done.stderr.splitlines()[-12:])
        raise NotBuilt(f"{name} cannot be built with {go}; is the Go module proxy reachable?\n{said}")
    made.rename(_bin() / name)
    _say(f"{name}: {_bin() / name}, {time.monotonic() - begin:.0f} s")


# --- Go itself ------------------------------------------------------------------------------------------------------


def _own_go() -> str | None:
    """Give the machine's Go, if it is new enough."""
    for found in (shutil.which("go"), "/usr/local/go/bin/go", "/usr/lib/go/bin/go"):
        if found and Path(found).is_file() and _version(found) >= _LEAST:
            return found
    return None


def _version(go: str) -> tuple[int, ...]:
    done = subprocess.run(
        [go, "version"],
        env=os.environ | {"GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"go(\d+)\.(\d+)", done.stdout)
    return tuple(int(n) for n in found.groups()) if found else (0,)


def _fetched_go() -> str:
    """Fetch Go into the cache folder, unless it is there."""
    home = _folder() / f"go{_GO}"
    program = home / "bin" / "go"
    if program.is_file():
        return str(program)
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "")
    advice = f"install Go {_LEAST[0]}.{_LEAST[1]} or newer (`apt-get install golang-go` on Debian 13) and try again"
    if not architecture:
        raise NotBuilt(f"no Go is known for {platform.machine()}: {advice}")
    name = f"golang.org/toolchain@v0.0.1-go{_GO}.linux-{architecture}"
    proxy = _proxy()
    if not proxy:
        raise NotBuilt(
            f"this machine has no Go, and GOPROXY names no module proxy to fetch it from: set it, or {advice}"
        )
    _say(f"go {_GO}: fetching (once; 70 MB), for this machine has none that is new enough")
    archive = _folder() / "toolchain.zip"
    try:
        _fetch(f"{proxy}/{name.replace('@', '/@v/')}.zip", archive)
    except OSError as error:
        raise NotBuilt(f"{proxy} does not give Go ({error}): {advice}") from error
    _unpack(archive, name, _CHECKSUMS[architecture], home)
    archive.unlink()
    return str(program)


def _proxy() -> str:
    """Give the first module proxy that the machine's own settings name, or an empty text."""
    first = re.split(r"[,|]", os.environ.get("GOPROXY", ""))[0]
    return first.rstrip("/") if first.startswith(("http://", "https://")) else ""


def _fetch(url: str, to: Path) -> None:
    with urllib.request.urlopen(url, timeout=120) as answer, to.open("wb") as file:  # noqa: S310 - https, or the operator's own
        shutil.copyfileobj(answer, file)


def _unpack(archive: Path, name: str, checksum: str, home: Path) -> None:
    """Unpack a module's archive that has this checksum. Raises `NotBuilt` for any other."""
    with zipfile.ZipFile(archive) as packed:
        names = sorted(packed.namelist())
        digest = hashlib.sha256()
        for each in names:
            digest.update(f"{hashlib.sha256(packed.read(each)).hexdigest()}  {each}\n".encode())
        if base64.b64encode(digest.digest()).decode() != checksum:
            raise NotBuilt(f"what came as {name} is not what it should be (its checksum differs)")
        fresh = home.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        packed.extractall(fresh)
    whole = fresh / name
    # Modules do not keep the right to be run.
    for program in (*(whole / "bin").iterdir(), *(whole / "pkg" / "tool").rglob("*")):
        program.chmod(0o755)
    whole.rename(home)
    shutil.rmtree(fresh)


def _say(line: str) -> None:
    print(line, flush=True)


def main(names: Sequence[str]) -> int:
    """Build the named tools, or all; give the exit code."""
    if unknown := [name for name in names if name not in PACKAGES]:
        print(f"no such tool: {', '.join(unknown)}; there are {', '.join(PACKAGES)}", file=sys.stderr)
        return 2
    try:
        build(names or tuple(PACKAGES))
    except (NotBuilt, OSError, urllib.error.URLError) as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
