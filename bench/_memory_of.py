"""Memory of processes, as the kernel accounts for it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

MIB = 1024 * 1024


def pss(pids: Iterable[int]) -> dict[str, int]:
    """Give proportional set sizes in bytes, added up: ``Pss`` and its parts ``Anon``, ``File``, ``Shmem``."""
    total = {"Pss": 0, "Pss_Anon": 0, "Pss_File": 0, "Pss_Shmem": 0}
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in total:
                total[name] += int(rest.split()[0]) * 1024
    return total


def rss(pid: int) -> tuple[int, int]:
    """Give the resident size in bytes of one process: now, and at its peak."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = {n: v for n, _, v in (line.partition(":") for line in lines)}
    return int(fields["VmRSS"].split()[0]) * 1024, int(fields["VmHWM"].split()[0]) * 1024
