"""h2spec, which asks a server whether it is true to HTTP/2: run it, and read which cases did not pass."""

from __future__ import annotations

import subprocess
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from harness import gotools


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of all cases."""

    passed: frozenset[str]
    failed: frozenset[str]
    """Names of cases, each with its section."""
    skipped: frozenset[str]


def run(port: int, *, tls: bool = False, timeout: int = 1) -> Verdict:
    """Ask a server on loopback. Raises ``gotools.NotBuilt`` if h2spec is not there."""
    with tempfile.TemporaryDirectory(prefix="tidegate-h2spec-") as folder:
        report = Path(folder) / "report.xml"
        secure = ["--tls", "--insecure"] if tls else []
        argv = [*gotools.tool("h2spec"), *secure, "-p", str(port), "-o", str(timeout), "-j", str(report)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600)
        if not report.exists():
            raise RuntimeError(f"h2spec gave no report:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return parse(report.read_text())


def parse(report: str) -> Verdict:
    """Read a report in JUnit's format."""
    found: dict[str, set[str]] = {"passed": set(), "failed": set(), "skipped": set()}
    # Our own program wrote it.
    for case in ET.fromstring(report).iter("testcase"):  # noqa: S314
        name = f"{case.get('package')} {case.get('classname')}"
        kinds = {child.tag for child in case}
        result = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        found[result].add(name)
    return Verdict(*(frozenset(found[kind]) for kind in ("passed", "failed", "skipped")))
