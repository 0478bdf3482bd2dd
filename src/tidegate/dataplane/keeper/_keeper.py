"""The keeper as a whole: what its socket offers, and what it does by itself.

By itself it starts nginx when there is a configuration for it, starts it again when it died (each time a little later
if it keeps dying), keeps the disk in step, and bounds what old generations may hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import os

from tidegate.dataplane.keeper import _finding, _log
from tidegate.dataplane.keeper._configuration import Configuration
from tidegate.dataplane.keeper._engine import Engine
from tidegate.dataplane.keeper._faults import Down, Fault
from tidegate.dataplane.keeper._http import Unanswered
from tidegate.dataplane.keeper._pushes import Pushes
from tidegate.dataplane.keeper._tracing import Tracing
from tidegate.dataplane.keeper.replies import PROTOCOL, How, Status, Store

_TICK_SECONDS = 1.0

_CALM_SECONDS = 2.0
"""An nginx that lived this long did not die of how it was started."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
"""Seconds before nginx is started again after it died young; doubled each time. The first time there is no pause."""

_COUNTERS_SECONDS = 10.0


class Keeper:
    """The work of the process, apart from its socket and its signals."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine; nothing is started yet."""
        self.engine = engine
        self.pushes = Pushes(engine)
        self.tracing = Tracing(engine.state, engine.nginx.children)
        self.ended = asyncio.Event()
        """Set once nginx has ended because the keeper is to end."""
        self.restarts = 0
        self._trouble = ""
        self._hurry = asyncio.Event()
        self._last = False
        self._draining: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Adopt the nginx that runs, or see to it that one is started; go on by itself from then on."""
        adopted = _finding.adopt(self.engine)
        if self.engine.configuration is not None:
            self.engine.access_log.want(self.engine.configuration.access_log)
        if self.engine.running is not None:
            await self.pushes.compare()
        self._tasks = [asyncio.create_task(self._tick()), asyncio.create_task(self._supervise())]
        if not adopted:
            self.engine.died.set()

    async def close(self) -> None:
        """Stop working by itself; nginx goes on, if it was not ended before."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.engine.records.close()

    # --- what the socket offers -----------------------------------------------------------------------------

    async def status(self) -> Status:
        """Say how everything is."""
        engine = self.engine
        journal = engine.records.journal
        common = Status(
            version=journal.version,
            master=engine.running.pid if engine.running else 0,
            keeper=os.getpid(),
            protocol=PROTOCOL,
            persisted=journal.persisted,
            draining=self._draining is not None,
            ending=self._last,
            reloads=engine.reloads,
            handovers=engine.handovers,
            restarts=self.restarts,
            retiring=len(engine.retired),
            trouble="; ".join(filter(None, (self._trouble, journal.trouble and f"disk: {journal.trouble}"))),
        )
        try:
            nginx = await engine.status()
        except Down as e:
            return _with(common, trouble=common.trouble or (str(e) if engine.configuration else ""))
        generation = str(nginx.generation)
        known = engine.configuration
        return _with(
            common,
            version=nginx.version,
            generation=generation,
            profiles=tuple(known.profiles) if known and known.generation == generation else (),
            workers=tuple(sorted(nginx.pids(generation))),
            draining=common.draining or nginx.draining,
            ready=nginx.ready,
            store=Store(nginx.capacity, nginx.free),
            trouble=common.trouble or nginx.trouble,
        )

    async def configure(self, wanted: Configuration) -> How:
        """Put a configuration in force. Raises `Fault`."""
        how = await self.engine.configure(wanted)
        self._trouble = ""
        return how

    async def counters(self) -> bytes:
        """Give nginx's counters as JSON. Raises `Down`."""
        return await self._ask("/counters")

    async def health(self) -> bytes:
        """Give what nginx knows against endpoints, as JSON. Raises `Down`."""
        return await self._ask("/health")

    async def _ask(self, path: str) -> bytes:
        instance = self.engine.running
        if instance is None:
            raise Down("nginx does not run")
        try:
            return (await instance.push.get(path, seconds=_COUNTERS_SECONDS)).body
        except Unanswered as e:
            raise Down(f"nginx does not answer: {e}") from e

    def drain(self, grace: float) -> None:
        """Fail health at once and end nginx after `grace` seconds; if that is under way, it stays as it is."""
        if self._draining is None:
            self._hurry.clear()
            self._draining = asyncio.create_task(self._drain(grace))

    def stop(self) -> None:
        """Drain without a grace period, cutting short one that has begun, and end the keeper."""
        self._last = True
        self.drain(0)
        self._hurry.set()

    def terminate(self, grace: float) -> None:
        """Drain and end the keeper; called again, cut the grace period short."""
        # A drain may be under way: in a pod, controller and keeper are told to end at the same time.
        if self._last:
            self._hurry.set()
        self._last = True
        self.drain(grace)

    async def _drain(self, grace: float) -> None:
        _log.info("draining", grace=grace, last=self._last)
        self.engine.ending = True
        try:
            await self._tell_draining()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), grace)
            async with self.engine.changing:
                await self.engine.end()
            _log.info("nginx has ended")
        except Exception:  # noqa: BLE001 - logged; the keeper goes on
            _log.fault("draining failed")
        finally:
            self._draining = None
            self.engine.ending = self._last
            if self._last:
                self.ended.set()

    async def _tell_draining(self) -> None:
        instance = self.engine.running
        if instance is None:
            return
        try:
            await instance.push.post("/draining", seconds=_COUNTERS_SECONDS)
        except Unanswered as e:
            _log.warning("nginx could not be told that it drains", reason=e)

    # --- what it does by itself -----------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            try:
                if self.engine.running is not None:
                    self.engine.running.look_at_workers()
                self.engine.access_log.tick()
                self.engine.retired.tick()
                await self.engine.records.tick()
                await self.pushes.tick()
                self.engine.nginx.error_log.rotate()
                self.tracing.tick()
            except OSError as e:
                _log.warning("housekeeping failed", reason=e)
            except Exception:  # noqa: BLE001 - logged; the keeper goes on
                _log.fault("housekeeping failed")
            await asyncio.sleep(_TICK_SECONDS)

    async def _supervise(self) -> None:
        """Start nginx whenever the current one has died."""
        now = asyncio.get_running_loop().time
        pause, began = 0.0, now()
        while True:
            await self.engine.died.wait()
            self.engine.died.clear()
            if self.engine.current is not None:
                self.restarts += 1
                _log.warning("nginx has died", pid=self.engine.current.pid)
            if now() - began > _CALM_SECONDS:
                pause = 0.0
            while not await self._start(pause):
                pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, pause * 2))
            pause, began = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, pause * 2)), now()

    async def _start(self, pause: float) -> bool:
        """Start nginx after a pause. Give False if that has to be tried again."""
        engine = self.engine
        await asyncio.sleep(pause)
        async with engine.changing:
            if engine.running is not None or engine.configuration is None or engine.ending:
                return True
            _log.info("starting nginx", pause=pause)
            try:
                await engine.start(engine.configuration)
            except (Fault, OSError) as e:
                self._trouble = f"nginx does not start: {e}"
                _log.warning("nginx does not start", reason=e)
                return False
            except Exception:  # noqa: BLE001 - logged; the keeper goes on
                self._trouble = "nginx does not start: see the keeper's log"
                _log.fault("nginx does not start")
                return False
        self._trouble = ""
        return True


def _with(status: Status, **changes: object) -> Status:
    return Status(**{**{name: getattr(status, name) for name in status.__struct_fields__}, **changes})
