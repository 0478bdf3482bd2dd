"""Waiting for a condition, and finding free ports."""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class TimedOutWaiting(AssertionError):
    """Something that had to happen did not."""


class GaveUp(TimedOutWaiting):
    """It cannot happen any more; raised by what is waited for."""


def until(what: Callable[[], T | None], timeout: float = 10.0, every: float = 0.01, why: str = "") -> T:
    """Call ``what`` until it gives something true, and return that.

    An exception of ``what`` counts as "not yet"; after ``timeout`` seconds ``TimedOutWaiting`` names the last
    one.
    """
    end = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            if got := what():
                return got
            last = got
        except GaveUp:
            raise
        except Exception as e:  # noqa: BLE001 - whatever it is, it may pass
            last = e
        if time.monotonic() >= end:
            raise TimedOutWaiting(f"{why or what!r}: not within {timeout} s; last: {last!r}")
        time.sleep(every)


def free_ports(count: int) -> list[int]:
    """Give ports of 127.0.0.1 on which nothing listens now, all different.

    They are below the range from which the kernel takes ports for outgoing connections, so that none is lost
    to one.
    """
    found: list[int] = []
    for _ in range(_HIGHEST - _LOWEST):
        if len(found) == count:
            return found
        port = next(_candidates)
        if _is_free(port):
            found.append(port)
    raise TimedOutWaiting(f"fewer than {count} ports are free")


_LOWEST, _HIGHEST = 15000, 32000
_all = itertools.cycle(range(_LOWEST, _HIGHEST))
# Processes that start at the same time begin at different places.
_candidates = itertools.chain(range(_LOWEST + os.getpid() * 37 % (_HIGHEST - _LOWEST), _HIGHEST), _all)


def _is_free(port: int) -> bool:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True
