"""Getting back the listening sockets that another process holds.

After a keeper was killed its successor has no sockets, but nginx's master (or an orphaned worker) has inherited them.
``pidfd_getfd`` gives duplicates of them, if the kernel has it and allows it: as root, or for a child, or where tracing
processes of one's own user is not restricted.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket

from tidegate.dataplane.keeper import _procfs

_SYS_PIDFD_GETFD = 438
"""The same on every architecture."""


def listening_sockets(pid: int) -> list[socket.socket]:
    """Give duplicates of the sockets on which a process listens. Raises ``OSError`` if that is not allowed."""
    wanted = _procfs.listening_inodes()
    pidfd = os.pidfd_open(pid)
    found: list[socket.socket] = []
    try:
        for fd, inode in _procfs.sockets(pid):
            if inode in wanted:
                wanted.discard(inode)
                found.append(socket.socket(fileno=_duplicate(pidfd, fd)))
    except OSError:
        for each in found:
            each.close()
        raise
    finally:
        os.close(pidfd)
    return found


def _duplicate(pidfd: int, fd: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    copy = int(libc.syscall(_SYS_PIDFD_GETFD, pidfd, fd, 0))
    if copy < 0:
        number = ctypes.get_errno() or errno.ENOSYS
        raise OSError(number, os.strerror(number))
    return copy
