"""Judge a TLS port by Mozilla's guideline, with sslyze.

It is no dependency: it brings an OpenSSL of its own, too old for anything else. ``install`` makes an environment for it in
the cache folder, from the machine's package index, and says so; nothing else installs it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tidegate.dataplane.install.machine import cache_folder

VERSION = "6.3.1"

_JUDGED = "COMPLIANCE AGAINST TLS CONFIGURATION"


class NotThere(RuntimeError):
    """It is not installed, or cannot be; the text says why."""


def _python() -> Path:
    return cache_folder() / f"sslyze-{VERSION}" / "bin" / "python"


def install() -> None:
    """Install it if it is not there. Raises `NotThere`."""
    if _python().exists():
        return
    folder = _python().parents[1]
    print(f"installing sslyze {VERSION} into {folder}", file=sys.stderr)
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(_python()), "-m", "pip", "install", "--quiet", f"sslyze=={VERSION}"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            _python().unlink(missing_ok=True)
            raise NotThere(f"sslyze cannot be installed: {done.stderr.strip()[-300:]}")


def faults(port: int, host: str, authority: Path) -> list[str]:
    """Give what Mozilla's "intermediate" configuration finds wrong with a port, as sslyze says it; empty: nothing.

    Raises `NotThere`, and ``RuntimeError`` if it came to no judgement.
    """
    if not _python().exists():
        raise NotThere(f"sslyze {VERSION} is not installed: run `make bench-tls`")
    options = ["--mozilla_config=intermediate", f"--sni={host}", f"--certinfo_ca_file={authority}"]
    command = [str(_python()), "-m", "sslyze", *options, f"127.0.0.1:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    _, found, judgement = done.stdout.partition(_JUDGED)
    lines = [line.strip() for line in judgement.splitlines()]
    wrong = [line.removeprefix("* ") for line in lines if line.startswith("* ")]
    if not found or not (wrong or any("OK - Compliant" in line for line in lines)):
        raise RuntimeError(f"sslyze came to no judgement: {(done.stdout + done.stderr)[-500:]}")
    return wrong
