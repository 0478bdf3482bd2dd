"""Starting and testing nginx: folders, command lines, inherited sockets."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tidegate.dataplane.journal import files
from tidegate.dataplane.keeper import _log, paths
from tidegate.dataplane.keeper._children import Child, Children
from tidegate.dataplane.keeper._configuration import Configuration
from tidegate.dataplane.keeper._error_log import ErrorLog, grave
from tidegate.dataplane.keeper._faults import Refused
from tidegate.dataplane.keeper._instance import Instance

_TEST_SECONDS = 20.0
"""For ``nginx -t``, which takes about 0.05."""

START_SECONDS = 30.0
"""From the start of nginx until all its workers report. Loading 100,000 entries takes about a second."""

_CONF = "nginx.conf"
RESTORE = "restore"
"""The file from which a new nginx fills its memory."""
_OPTIONS = ("-p", "./", "-c", _CONF, "-e", "stderr")


class Nginx:
    """The nginx program, as it is run in this state folder."""

    def __init__(self, argv: Sequence[str], state: paths.StateDir, children: Children, stdout: int) -> None:
        """Take the start of its command line, and where what it writes to standard output goes (-1: the error log)."""
        self._argv = tuple(argv)
        self._state = state
        self.children = children
        self._stdout = stdout
        self.error_log = ErrorLog(state.error_log)

    def new_folder(self, text: str) -> tuple[int, Path]:
        """Make the folder of the next instance. Raises ``OSError``."""
        number = max(self._state.instances(), default=0) + 1
        folder = self._state.instance(number)
        _make(folder, text)
        return number, folder

    async def start(
        self,
        number: int,
        folder: Path,
        configuration: Configuration,
        sockets: Sequence[int],
        version: int,
        *,
        give_up: Callable[[], bool],
    ) -> Instance:
        """Start nginx in its folder on inherited sockets, and wait until it serves `version` (or `give_up` says so).

        Raises `Refused` with what nginx says; then nothing of it is left running.
        """
        mark = self.error_log.mark()
        child = self._spawn(folder, sockets)
        instance = Instance(number, folder, child.pid)
        try:
            status = await instance.until_reported(
                configuration.generation, configuration.workers, seconds=START_SECONDS, hopeless=give_up
            )
            # It took what is there into its memory, and must not find it again at a reload.
            (folder / RESTORE).unlink(missing_ok=True)
            if status is not None and status.version == version:
                return instance
        except BaseException:
            await self._end(child, instance)
            raise
        await self._end(child, instance)
        raise Refused(self.why(mark, f"nginx did not serve within {START_SECONDS:g} seconds"))

    def _spawn(self, folder: Path, sockets: Sequence[int]) -> Child:
        stderr = self.error_log.open()
        try:
            return self.children.start(
                [*self._argv, *_OPTIONS],
                stdout=stderr if self._stdout < 0 else self._stdout,
                stderr=stderr,
                cwd=folder,
                env=_environment(sockets),
                pass_fds=sockets,
            )
        finally:
            os.close(stderr)

    async def _end(self, child: Child, instance: Instance) -> None:
        for worker in instance.look_at_workers():
            worker.send(signal.SIGKILL)
        child.kill()
        await child.exited
        await instance.exited.wait()
        shutil.rmtree(instance.folder, ignore_errors=True)

    def why(self, mark: int, otherwise: str) -> str:
        """Give what nginx wrote since a mark, as far as it explains a failure."""
        return "\n".join(grave(self.error_log.since(mark))) or otherwise

    async def test(self, text: str, sockets: Sequence[int]) -> None:
        """Let nginx test a configuration. Raises `Refused` with its output."""
        folder = self._state.scratch
        shutil.rmtree(folder, ignore_errors=True)
        _make(folder, text)
        try:
            outcome = await self.children.run(
                [*self._argv, *_OPTIONS, "-t"],
                seconds=_TEST_SECONDS,
                cwd=folder,
                env=_environment(sockets),
                pass_fds=sockets,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if outcome.code != 0:
            raise Refused("\n".join(grave(outcome.errors.splitlines())))


def _environment(sockets: Sequence[int]) -> Mapping[str, str]:
    # nginx matches these with its listen lines by address. The variable also keeps it in the foreground.
    return {**os.environ, "NGINX": "".join(f"{fd};" for fd in sockets)}


def _make(folder: Path, text: str) -> None:
    folder.mkdir(mode=paths.INSTANCE_MODE)
    # The process's umask must not take away the right of workers to enter.
    folder.chmod(paths.INSTANCE_MODE)
    write_text(folder, text)


def write_text(folder: Path, text: str) -> None:
    """Put a text in place of an instance's nginx.conf. Raises ``OSError``."""
    files.write_atomically(folder / _CONF, [text.encode()])


def read_text(folder: Path) -> str:
    """Give the text of an instance's nginx.conf, empty if it cannot be read."""
    with contextlib.suppress(OSError):
        return (folder / _CONF).read_text()
    return ""


def remove_leftovers(state: paths.StateDir, but: set[int]) -> None:
    """Remove the folders of instances that are over."""
    for number in set(state.instances()) - but:
        _log.info("removing the folder of an instance that is over", instance=number)
        shutil.rmtree(state.instance(number), ignore_errors=True)
