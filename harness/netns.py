"""A network of one's own: what runs in it can use up the local ports without harm to anybody else."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

_NEW_NETWORK = 0x40000000
_SET_FLAGS = 0x8914
_UP = 0x1


class NotPermitted(RuntimeError):
    """This account may not have a network of its own."""


def run(work: Callable[[], None], *, ports: tuple[int, int]) -> None:
    """Do something in a thread whose network, and that of all it starts, has only loopback and few local ports.

    Raises `NotPermitted`, and what the work raises.
    """
    raised: list[BaseException] = []

    def inside() -> None:
        try:
            _enter(ports)
            work()
        except BaseException as error:  # noqa: BLE001 - given to the caller
            raised.append(error)

    thread = threading.Thread(target=inside, name="network")
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def _enter(ports: tuple[int, int]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK) != 0:
        raise NotPermitted(f"no network of its own: {os.strerror(ctypes.get_errno())}")
    with socket.socket() as sock:
        fcntl.ioctl(sock, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))
    try:
        Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("{} {}".format(*ports))
    except OSError as error:
        raise NotPermitted(f"the range of local ports cannot be set: {error}") from error
