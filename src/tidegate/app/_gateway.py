"""The gateway: every room at work together, from the source to nginx.

Facts come in from the source and from DNS, the translator makes entries of them, the queue decides what goes when,
and the pusher and the configurer do it. Everything runs in one event loop, and nothing keeps it for longer than a
few milliseconds. What serves traffic lives on without this process, and a new one adopts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterable
from typing import Any, Final

import structlog

from tidegate.app import _garbage, _telling
from tidegate.app._configuring import Configurer
from tidegate.app._control import Control
from tidegate.app._earlier import Earlier
from tidegate.app._findings import Findings
from tidegate.app._inbox import Inbox, Told
from tidegate.app._options import Options
from tidegate.app._resolver import Dns, Resolver
from tidegate.dataplane import install, push, render
from tidegate.dataplane.delta import Pusher, Queue
from tidegate.findings import Finding
from tidegate.model import Cause, State, encode
from tidegate.sources import FolderSource, Priority
from tidegate.translate import Translator, Work, last_good_of

SLICE_SECONDS: Final = 0.0003
"""How long one kind of work may keep the event loop."""

APPLY_SLICE: Final = 8
"""Objects that are taken before others get their turn."""

PATIENCE_SECONDS: Final = 2.0
"""How long nginx waits for the first listing: after that it is started without, and says that it is not ready."""

MOST_SAID: Final = 50
"""Findings that are logged for one batch of the source."""

CLOCK_SECONDS: Final = 3600.0
"""How often the translator is told the time."""

DISK_SECONDS: Final = 2.0
"""How often the keeper is asked about a disk that lacks something."""

REVIVE_SECONDS: Final = 0.5
"""Between two starts of a keeper that keeps dying."""

_READY: Final = "s/ready"
_EARLIER: Final = "an earlier run"
"""Where findings about what is kept stand, among those of files."""

_log = structlog.stdlib.get_logger("tidegate")


class Gateway:
    """One gateway node's controller."""

    def __init__(self, options: Options) -> None:
        """Take how to run; nothing is opened yet."""
        self.options = options
        self.started = time.time()
        self._priority = Priority()
        self.source = FolderSource(options.folder, priority=self._priority)
        self.queue = Queue()
        self.findings = Findings(self.source.locate)
        self.translator = Translator(options.translation)
        self.listed_at = 0.0
        """Unix seconds of the first complete listing, 0 before it."""
        self.ready_at = 0.0
        self._awaited: frozenset[str] = frozenset()
        """Server profiles that are to be in force before the gateway is ready."""
        self._news = asyncio.Event()
        self._listed = asyncio.Event()
        self._translated = asyncio.Event()
        """The first complete listing is translated."""
        self._said = 0
        """Findings logged since the source's last batch."""
        self._inbox = Inbox()
        self._stop = asyncio.Event()
        self._reviving = asyncio.Lock()
        self._resolver = Resolver(Dns(), self._resolved)

    async def run(self) -> None:
        """Serve until told to stop, then drain.

        Raises `push.StateDirInUse`, `push.KeeperError`, `install.InstallError` and ``OSError`` if it cannot begin.
        """
        self._heed_signals()
        _garbage.begin()
        lock = push.lock_state_dir(self.options.state_dir)
        try:
            await self._adopt()
            control = Control(_telling.answers(self))
            await control.listen(self.options.state_dir)
            try:
                await self._work()
            finally:
                await control.close(self.options.state_dir)
        finally:
            lock.release()
        _log.info("stopped")

    def stop(self) -> None:
        """Ask for the end: health fails at once, requests are finished, then the data plane ends."""
        self._stop.set()

    # --- beginning ------------------------------------------------------------------------------------------

    def _heed_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop)

    async def _adopt(self) -> None:
        """Find or start the data plane, and learn what is in force there."""
        options = self.options
        self.installation = install.find()
        # Said once it is known, which is long before the folder is read.
        self._versions = asyncio.create_task(asyncio.to_thread(_judge, self.installation))
        await asyncio.to_thread(render.ensure_default_certificate, options.state_dir)
        self.keeper = await self._ensure_keeper()
        self.configurer = Configurer(self.keeper, self.installation, options.state_dir, self.queue)
        self.configurer.wanted_node = options.translation.node
        self.pusher = Pusher(self.queue, self.keeper, lambda: self.translator.entries, self._revive)
        self.pusher.on_progress = self._progress
        self.configurer.on_change = self.pusher.wake
        status = await self.keeper.status()
        self.keeper_pid = status.keeper
        in_force = await self.pusher.adopt()
        self.configurer.adopt(status)
        last_good = last_good_of(in_force)
        self._earlier = Earlier(last_good)
        self.translator = Translator(options.translation, last_good)
        _log.info(
            "data plane adopted" if status.master else "data plane begun",
            version=self.pusher.version,
            entries=sum(1 for _ in self.queue.in_force()),
            keeper=status.keeper,
        )

    async def _ensure_keeper(self) -> push.KeeperClient:
        """Find or start the keeper. Raises `push.KeeperError`."""
        # In a thread with a plain event loop: the fast one gives a child a second copy of each pipe, which the keeper
        # would hold open for as long as it lives.
        await asyncio.to_thread(lambda: asyncio.run(self._start_keeper()))
        return push.KeeperClient(self.options.state_dir)

    async def _start_keeper(self) -> None:
        client = await push.ensure_keeper(
            self.options.state_dir,
            nginx=self.installation.nginx_argv(),
            keep_stdout=self.options.translation.node.access_log == "/dev/stdout",
            grace=self.options.shutdown_grace,
        )
        await client.close()

    async def _revive(self) -> None:
        """Start the keeper again if it has died; it adopts the nginx that it finds."""
        # The pusher may meet its death before the watch does.
        async with self._reviving:
            try:
                client = await self._ensure_keeper()
                pid = (await client.status()).keeper
            except push.KeeperError as error:
                _log.error("the keeper cannot be started", error=str(error))
                return
        await client.close()
        if pid != self.keeper_pid:
            self.keeper_pid = pid
            _log.warning("the keeper had died and was started again", keeper=pid)

    async def _watch_keeper(self) -> None:
        """Notice the keeper's death although nothing is to be pushed: without it nobody would start nginx again."""
        while True:
            await self.keeper.until_gone()
            if self._stop.is_set():
                await asyncio.Event().wait()
            await self._revive()
            await asyncio.sleep(REVIVE_SECONDS)

    # --- working --------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Do everything at once until the end is asked for, and go on with it while requests are finished."""
        tasks = [
            asyncio.create_task(work)
            for work in (self._read(), self._apply_all(), self._translate(), self._serve())
        ]
        others = (
            self._resolver.run(),
            self._tell_time(),
            self._watch_disk(),
            _garbage.tend(self._is_idle),
        )
        tasks += [asyncio.create_task(work) for work in others]
        end = asyncio.create_task(self._stop.wait())
        try:
            await _first_of(end, *tasks)
            await _first_of(asyncio.create_task(self._drain()), *tasks)
        finally:
            for task in (*tasks, end):
                task.cancel()
            await asyncio.gather(*tasks, end, return_exceptions=True)

    def _is_idle(self) -> bool:
        return not (self._inbox.is_busy or self.translator.pending or len(self.queue))

    async def _tell_time(self) -> None:
        """Let certificates that come to their end be noticed."""
        while True:
            self.translator.tell_time(time.time())
            self._news.set()
            await asyncio.sleep(CLOCK_SECONDS)

    async def _watch_disk(self) -> None:
        """Notice when the disk has caught up, although nothing changes."""
        while True:
            await asyncio.sleep(DISK_SECONDS)
            if not self.pusher.persisted:
                with contextlib.suppress(push.KeeperError):
                    self.pusher.persisted = (await self.keeper.status()).persisted

    async def _read(self) -> None:
        """Take what the source tells."""
        async for batch in self.source.batches():
            self._said = 0
            self._log_findings(self.findings.of_files(batch.findings_by_file))
            changes = [(change.ref, change.obj) for change in batch.changes] + self._earlier.of(batch)
            self._log_findings(self.findings.of_files({_EARLIER: self._earlier.findings()}))
            if not batch.initial and self._inbox.overtakes(changes, beside=self.translator.pending > 0):
                self._take(self.translator.hasten(changes))
            else:
                self._inbox.put(changes, initial=batch.initial)

    async def _apply_all(self) -> None:
        while True:
            await self._apply(await self._inbox.next())

    async def _apply(self, told: Told) -> None:
        # It counts as a whole: `step` waits until all of it is taken.
        for part in self._inbox.slices(told, APPLY_SLICE):
            self.translator.apply(part)
            await self._priority.give_way()
        self._inbox.done()
        if told.initial:
            self.listed_at = time.time()
            self._listed.set()
            _log.info("folder read", folder=str(self.options.folder), objects=len(told.changes))
        self._news.set()

    async def _translate(self) -> None:
        """Turn news into entries, a slice at a time."""
        await self._listed.wait()
        while True:
            await self._news.wait()
            self._news.clear()
            while self.translator.pending:
                if not self._inbox.is_busy:
                    end = time.monotonic() + SLICE_SECONDS
                    self._take(self.translator.step(lambda: time.monotonic() < end))  # noqa: B023
                await self._priority.give_way()
            if not self._inbox.is_busy:
                self._translated.set()

    def _take(self, work: Work) -> None:
        if work.profiles is not None:
            self.configurer.wanted_profiles = work.profiles
        if work.documents is not None:
            self.configurer.wanted_documents = work.documents
        if work.servers is not None:
            self.configurer.wanted_servers = work.servers
            self.configurer.poke()
        if work.node is not None:
            self.configurer.wanted_node = work.node
            self.configurer.poke()
        if work.names is not None:
            self._resolver.want(work.names)
        if work.findings:
            self._log_findings(self.findings.of_objects(work.findings))
        if work.changes:
            self.queue.offer(work.changes, work.causes)
            self.pusher.wake()
            if self.queue.is_urgent:
                self._priority.begin("queue")

    def _resolved(self, name: str, addresses: tuple[str, ...]) -> None:
        self.translator.apply_resolved(name, addresses)
        self._news.set()

    async def _serve(self) -> None:
        """Configure nginx once it is known for what, then push and reload as needed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._translated.wait()
        try:
            await self._versions
            await self.configurer.begin(self.options.translation.node)
        except (push.KeeperError, install.InstallError):
            await self._leave()
            raise
        await asyncio.gather(
            self._until_ready(), self.pusher.run(), self.configurer.run(), self._watch_keeper()
        )

    async def _until_ready(self) -> None:
        await self._translated.wait()
        # Only now is it known what is wanted, and so what is not.
        self.pusher.retire()
        self.pusher.aim()
        self._awaited = frozenset(self.configurer.wanted_servers)
        self.pusher.wake()

    def _progress(self) -> None:
        """Look at what the last delta made possible."""
        if not self.queue.is_urgent:
            self._priority.end("queue")
        if self.queue.missing_profiles():
            self.configurer.poke()
        if not self.ready_at and self.pusher.is_there and not self.configurer.lacks(self._awaited):
            self.ready_at = time.time()
            asyncio.get_running_loop().call_later(1.0, _garbage.settle)
            self.queue.offer(
                {_READY: encode(State(value=True))}, {_READY: Cause("the first listing", (), "added")}
            )
            self.pusher.wake()
            _log.info(
                "ready",
                seconds=round(self.ready_at - self.started, 3),
                version=self.pusher.version,
                deltas=self.pusher.pushed,
            )

    def _log_findings(self, findings: Iterable[Finding]) -> None:
        """Say what is new, as far as somebody will read it; the command `findings` tells all."""
        for finding in findings:
            self._said += 1
            if self._said > MOST_SAID:
                return
            _log.warning("finding", **_telling.fields_of(finding))
            if self._said == MOST_SAID:
                _log.warning("more findings than are logged: see `tidegate findings`")

    # --- ending ---------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Let health fail, requests finish, nginx end, and the keeper with it."""
        grace = self.options.shutdown_grace
        _log.info("draining", grace=grace, process=os.getpid())
        try:
            await self.keeper.drain(grace)
            while (await self.keeper.status()).master:  # noqa: ASYNC110 (the keeper says nothing unasked)
                await asyncio.sleep(0.05)
            await self.keeper.stop()
            await self.keeper.until_gone()
        except push.KeeperError as error:
            _log.warning("the keeper did not see the end", error=str(error))
        await asyncio.sleep(self.options.post_shutdown_grace)

    async def _leave(self) -> None:
        """End the keeper if it has nothing to serve: a gateway that could not begin leaves nothing behind."""
        with contextlib.suppress(push.KeeperError):
            if not (await self.keeper.status()).master:
                await self.keeper.stop()
                await self.keeper.until_gone()


def _judge(installation: install.Installation) -> install.Versions:
    """Say what the data plane is made of. Raises `install.TooOld`."""
    versions = install.versions(installation)
    install.check_minimum(versions)
    return versions


async def _first_of(goal: asyncio.Task[Any], *others: asyncio.Task[Any]) -> None:
    """Wait for one task; another one that ends before it has failed, and its error is raised."""
    done, _ = await asyncio.wait([goal, *others], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def run(gateway: Gateway) -> None:
    """Run a gateway on the fast event loop until it has ended. Raises what `Gateway.run` does."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(gateway.run())
