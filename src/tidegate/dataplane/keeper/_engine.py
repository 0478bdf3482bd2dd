"""The life of nginx: started, reloaded, replaced, started again, ended. At any time one instance is the current one.

`changing` is held by whoever changes which nginx runs with which configuration; `hold` keeps pushes waiting while the
memory that they go to is copied to another nginx. Whoever needs both takes `changing` first.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from pathlib import Path

import msgspec

from tidegate.dataplane.keeper import _configuration, _log, _procfs, paths
from tidegate.dataplane.keeper._access_log import AccessLog
from tidegate.dataplane.keeper._configuration import Configuration
from tidegate.dataplane.keeper._error_log import says_no
from tidegate.dataplane.keeper._faults import Down, Fault, Refused
from tidegate.dataplane.keeper._http import Unanswered
from tidegate.dataplane.keeper._instance import Instance, NginxStatus, until_leaving
from tidegate.dataplane.keeper._nginx import RESTORE, Nginx, read_text, write_text
from tidegate.dataplane.keeper._records import Records
from tidegate.dataplane.keeper._retired import Retired
from tidegate.dataplane.keeper._sockets import Sockets
from tidegate.dataplane.keeper.replies import How

_RELOAD_SECONDS = 30.0
"""From the signal until all new workers report; it takes about a tenth of one."""

_LEAVING_SECONDS = 1.0
"""How long old workers may go on accepting after the new ones report; it is a tenth of one."""

_FREE_SECONDS = 10.0
"""How long an old nginx may take to let go of ports that could not be taken over from it."""

_LAST_SECONDS = 5.0
"""Between asking, telling and forcing the last processes to end."""


class Engine:
    """nginx, as the rest of the keeper sees it."""

    def __init__(self, state: paths.StateDir, nginx: Nginx, records: Records, access_log: AccessLog) -> None:
        """Begin without an nginx."""
        self.access_log = access_log
        self.state = state
        self.nginx = nginx
        self.records = records
        self.sockets = Sockets()
        self.retired = Retired()
        self.configuration: Configuration | None = None
        self.current: Instance | None = None
        """The last one started; it may have died."""
        self.orphans: dict[Path, set[_procfs.Process]] = {}
        """Folder → workers whose master is dead, and who are to go on until another nginx serves."""
        self.changing = asyncio.Lock()
        self.hold = asyncio.Lock()
        self.ending = False
        """True while nginx is being ended: nothing starts then."""
        self.reloads = 0
        self.handovers = 0
        self.died = asyncio.Event()
        """Set whenever the current nginx has died of itself."""

    @property
    def running(self) -> Instance | None:
        """The current instance if its master lives."""
        return self.current if self.current is not None and not self.current.exited.is_set() else None

    async def status(self) -> NginxStatus:
        """Ask the current nginx how it is. Raises `Down`."""
        if self.running is None:
            raise Down("nginx does not run")
        try:
            return await self.running.status()
        except Unanswered as e:
            raise Down(f"nginx does not answer: {e}") from e

    # --- what is asked for ----------------------------------------------------------------------------------

    async def configure(self, wanted: Configuration) -> How:
        """Put a configuration in force. Raises `Fault`; the previous one is in force then."""
        async with self.changing:
            if self.ending:
                raise Fault("nginx is being ended")
            self.access_log.prepare(wanted.access_log)
            if self.running is None or self.configuration is None:
                await self.start(wanted)
                return How.STARTED
            status = await self.status()
            if set(self.configuration.sockets) == set(wanted.sockets):
                if str(status.generation) == wanted.generation:
                    self._keep(wanted, self.running)
                    return How.UNCHANGED
                if self.configuration.reloads_to(wanted):
                    await self._reload(self.running, status, wanted)
                    return How.RELOADED
            await self._hand_over(self.running, wanted)
            return How.HANDED_OVER

    async def hand_over(self, *, behind: bool = False) -> None:
        """Replace nginx by a new one with the same configuration. Raises `Fault`; the old one goes on then.

        The new one has what the disk has. With `behind` that may be less than what is in force now.
        """
        async with self.changing:
            if self.ending:
                raise Fault("nginx is being ended")
            if self.running is None or self.configuration is None:
                raise Down("nginx does not run")
            await self._hand_over(self.running, self.configuration, behind=behind)

    # --- start ----------------------------------------------------------------------------------------------

    async def start(self, wanted: Configuration) -> None:
        """Start nginx where none runs; hold `changing`. Workers that a dead master left behind are relieved.

        Raises `Fault`.
        """
        self._look_for_orphans()
        if self.orphans and not self.sockets.has(wanted.sockets):
            self._relieve()
            await self.sockets.open_once_free(wanted.sockets, _FREE_SECONDS)
        self.sockets.open(wanted.sockets)
        async with self.hold:
            self._take(await self._launch(wanted), wanted)
            await until_leaving(self._relieve(), _LEAVING_SECONDS)
        self.sockets.keep_only(wanted.sockets)

    def _look_for_orphans(self) -> None:
        """Find the workers that the current instance's dead master left behind; they go on serving."""
        dead = self.current
        if dead is not None and dead.exited.is_set():
            self.orphans[dead.folder] = {*dead.workers, *_procfs.working_in(dead.folder)}

    def _relieve(self) -> set[_procfs.Process]:
        """Tell orphans to finish; give them."""
        relieved = set().union(*self.orphans.values())
        for folder, workers in self.orphans.items():
            for worker in workers:
                worker.send(signal.SIGQUIT)
            self.retired.add(f"orphans of instance {folder.name}", workers, folder=folder)
        self.orphans.clear()
        return relieved

    async def _launch(self, wanted: Configuration) -> Instance:
        """Start an nginx beside whatever runs; hold `hold`. Raises `Fault`."""
        self.access_log.prepare(wanted.access_log)
        began = asyncio.get_running_loop().time()
        number, folder = self.nginx.new_folder(wanted.text)
        try:
            version = await self.records.write_restore(folder / RESTORE)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        instance = await self.nginx.start(
            number,
            folder,
            wanted,
            self.sockets.descriptors(wanted.sockets),
            version,
            give_up=lambda: self.ending,
        )
        self.records.journal.resume(version)
        seconds = f"{asyncio.get_running_loop().time() - began:.3f}"
        _log.info("nginx serves", instance=number, pid=instance.pid, version=version, seconds=seconds)
        return instance

    def _take(self, instance: Instance, configuration: Configuration) -> None:
        self.current = instance
        self._keep(configuration, instance)
        self.watch(instance)

    def _keep(self, configuration: Configuration, instance: Instance) -> None:
        configuration = msgspec.structs.replace(configuration, instance=instance.number)
        self.access_log.want(configuration.access_log)
        if configuration == self.configuration:
            return
        self.configuration = configuration
        try:
            _configuration.save(self.state.configuration, configuration)
        except OSError as e:
            _log.warning("the configuration could not be kept for a start without a controller", reason=e)

    def watch(self, instance: Instance) -> None:
        """Set `died` when this instance dies while it is the current one."""

        async def until_exit() -> None:
            await instance.exited.wait()
            if instance is self.current and not self.ending:
                self.died.set()

        self._watcher = asyncio.create_task(until_exit())

    # --- reload ---------------------------------------------------------------------------------------------

    async def _reload(self, instance: Instance, status: NginxStatus, wanted: Configuration) -> None:
        await self.nginx.test(wanted.text, self.sockets.descriptors(wanted.sockets))
        old = set(instance.look_at_workers())
        before, mark = read_text(instance.folder), self.nginx.error_log.mark()
        write_text(instance.folder, wanted.text)
        instance.signal(signal.SIGHUP)

        def refused() -> bool:
            return self.ending or any(map(says_no, self.nginx.error_log.since(mark)))

        known = {worker.pid for worker in old} | status.pids(wanted.generation)
        new = await instance.until_reported(
            wanted.generation, wanted.workers, but=known, seconds=_RELOAD_SECONDS, hopeless=refused
        )
        if new is None:
            with contextlib.suppress(OSError):
                write_text(instance.folder, before)
            if not refused():
                instance.signal(signal.SIGHUP)
            raise Refused(self.nginx.why(mark, "the new workers did not report"))
        await until_leaving(old, _LEAVING_SECONDS)
        instance.push.close()
        self.reloads += 1
        self.retired.add(f"configuration {status.generation}", old)
        self.retired.tick()
        self._keep(wanted, instance)
        _log.info("nginx reloaded", generation=wanted.generation, reloads=self.reloads)

    # --- hand-over ------------------------------------------------------------------------------------------

    async def _hand_over(self, old: Instance, wanted: Configuration, *, behind: bool = False) -> None:
        if self.records.journal.behind and not behind:
            raise Fault("a new nginx would not have all that is in force: the disk lacks some of it")
        previous = self.configuration or wanted
        if not self.sockets.has(previous.sockets):
            return await self._replace(old, wanted)
        self.sockets.open(wanted.sockets)
        try:
            async with self.hold:
                self._take(await self._launch(wanted), wanted)
                # Until the old workers take no new connections, a push would not be in force everywhere.
                await until_leaving(self.retire(old), _LEAVING_SECONDS)
        finally:
            self.sockets.keep_only((self.configuration or wanted).sockets)
        self.handovers += 1
        return None

    async def _replace(self, old: Instance, wanted: Configuration) -> None:
        """Replace an nginx whose sockets could not be taken over: the only way in which a connection is refused."""
        await self.nginx.test(wanted.text, ())
        _log.warning("handing over without the old sockets: connections are refused for a moment")
        async with self.hold:
            self.current = None
            self.retire(old)
            try:
                await self.sockets.open_once_free(wanted.sockets, _FREE_SECONDS)
                self._take(await self._launch(wanted), wanted)
            except BaseException:
                # The previous configuration is started then, as after a death.
                self.died.set()
                raise
        self.handovers += 1

    def retire(self, instance: Instance) -> set[_procfs.Process]:
        """Tell an nginx to finish its requests and end; give its workers."""
        workers = instance.look_at_workers()
        instance.signal(signal.SIGQUIT)
        self.retired.add(f"instance {instance.number}", workers, master=instance, folder=instance.folder)
        return workers

    # --- end ------------------------------------------------------------------------------------------------

    async def end(self) -> None:
        """Let nginx finish its requests and end; hold `changing`, and `ending` must be set."""
        # New connections are to be refused now rather than to wait for nobody.
        self.sockets.keep_only(())
        patience = _LAST_SECONDS
        if self.configuration is not None:
            patience += self.configuration.shutdown_seconds
        if self.running is not None:
            self.retire(self.running)
        else:
            self._look_for_orphans()
        self._relieve()
        self.current = None
        if await self.retired.until_gone(patience):
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            _log.warning("nginx did not end in time", signal=number.name)
            self.retired.end_all(number)
            if await self.retired.until_gone(_LAST_SECONDS):
                return
