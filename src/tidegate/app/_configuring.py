"""Brings nginx's own configuration in step: node settings and profiles, with as few reloads as can be.

What nginx refuses is left out and said: new profiles one by one, new settings as a whole. The rest is applied.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import pwd
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from tidegate.app import _memory
from tidegate.app._quarantine import Quarantine
from tidegate.app._taken_ports import TakenPorts
from tidegate.dataplane import render, tracing
from tidegate.dataplane.delta import Queue, Reloads, trials
from tidegate.dataplane.install import Installation
from tidegate.dataplane.push import (
    ConfigurationRefused,
    KeeperClient,
    KeeperError,
    KeeperFailed,
    PortInUse,
    Status,
)
from tidegate.dataplane.render import EVERYDAY_PROFILES, Rendered
from tidegate.findings import Effect, Finding
from tidegate.model import NodeSettings, Profile, ServerProfile

_RETRY: Final = 2.0
"""Seconds after a configuration that could not be put in force for a reason that may pass (a port in use)."""

_SETTINGS: Final = "settings"

_log = structlog.stdlib.get_logger("tidegate")


class Reload(msgspec.Struct, frozen=True):
    """A configuration that came into force."""

    time: float
    """Unix seconds."""
    how: str
    seconds: float
    profiles: tuple[str, ...]
    """Ids of the profiles that were new."""
    namespaces: tuple[str, ...]
    """Whose routes waited for them."""
    settings: bool
    """True if settings of the node changed."""


class Configurer:
    """Knows what nginx is configured for, what is wanted, and when to change it."""

    def __init__(
        self, keeper: KeeperClient, installation: Installation, state_dir: Path, queue: Queue
    ) -> None:
        """Take whom to ask, what to run, where to remember, and what waits for profiles."""
        self._keeper = keeper
        self._installation = installation
        self._state_dir = state_dir
        self._queue = queue
        self._reloads = Reloads()
        self._wake = asyncio.Event()
        self._retry_at = 0.0
        self._node: NodeSettings | None = None
        self._profiles: dict[str, Profile] = {}
        self._servers: dict[str, ServerProfile] = {}
        self._refused_node: NodeSettings | None = None
        self._taken = TakenPorts()
        self._refused = Quarantine()
        """Ids of profiles; and the word that stands for the settings of the node."""
        self._trouble: dict[str, Finding] = {}
        self.wanted_node = NodeSettings()
        self.wanted_profiles: Mapping[str, Profile] = {}
        self.wanted_servers: Mapping[str, ServerProfile] = {}
        self.wanted_documents: Mapping[str, str] = {}
        self.history: deque[Reload] = deque(maxlen=100)
        self.done: Counter[tuple[str, str]] = Counter()
        """Configurations that came into force: how, and ``settings`` or ``profiles``, for whose sake."""
        self.refusals = 0
        """Configurations that did not."""
        self.generation = ""
        """Of the one in force, as far as this process put it there or found it."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when entries that waited may go."""

    def poke(self) -> None:
        """Say that something may have to change."""
        self._wake.set()

    def findings(self) -> tuple[Finding, ...]:
        """Say what nginx does not take."""
        return (*self._trouble.values(), *self._taken.findings())

    @property
    def node(self) -> NodeSettings:
        """Give the node settings in force, else those that are wanted."""
        return self._node or self.wanted_node

    def adopt(self, status: Status) -> None:
        """Take what the running nginx is configured for."""
        memory = _memory.load(self._state_dir)
        self._queue.know_profiles(status.profiles)
        if status.generation and memory.generation == status.generation:
            self._node = memory.node
            self.generation = status.generation
            # Another version of this program may have had values that this one cannot write.
            everyday = frozenset(EVERYDAY_PROFILES)
            known = (p for p in memory.profiles if p in everyday or self._can_be_written(p))
            self._profiles = {profile.id: profile for profile in known}
            self._servers = {server.id: server for server in memory.servers}

    async def begin(self, fallback: NodeSettings) -> None:
        """Configure for the first time in this process, at once. Raises `KeeperError` if nothing can serve."""
        missing: dict[str, Collection[str]] = {
            name: ("",) for name in self.wanted_profiles if name not in self._profiles
        }
        missing |= self._different_servers()
        if self._node == self._possible_node and not missing and await self._is_current():
            return
        await self._change(missing, patient=False)
        if self._node is None:
            # The settings of the ConfigMap are refused, and there are none from before.
            await self._put(fallback, self._needed().values(), self._needed_servers(), missing)

    async def run(self) -> None:
        """Keep nginx's configuration in step until cancelled."""
        while True:
            now = time.monotonic()
            self._reconsider(now)
            missing = {**self._queue.missing_profiles(), **self._different_servers()}
            wait = self._reloads.wait(missing, now, settings=self._has_new_settings())
            wait = self._taken.wait(now) if wait is None else max(wait, self._retry_at - now)
            if wait is not None and wait <= 0 and (missing or self._has_new_settings()):
                self._reloads.spend(missing, now)
                await self._change(missing, patient=True)
                continue
            waits = [some for some in (wait, self._refused.wait(now)) if some is not None]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(waits, default=None)):
                    await self._wake.wait()
            self._wake.clear()

    def _reconsider(self, now: float) -> None:
        """Let what was refused be tried again when its time has come; forget what nobody wants any more."""
        self._forgive(self._refused.keep({*self.wanted_profiles, *self.wanted_servers, _SETTINGS}))
        due = self._refused.release(now)
        if _SETTINGS in due:
            self._refused_node = None
        self._release(due)

    def _forgive(self, profiles: list[str]) -> None:
        for name in profiles:
            self._trouble.pop(_refused_as(name), None)
        self._release(profiles)

    def _release(self, profiles: list[str]) -> None:
        if profiles:
            self._queue.reconsider_profiles(profiles)
            self.on_change()

    # --- changing -------------------------------------------------------------------------------------------

    @property
    def _possible_node(self) -> NodeSettings:
        """What is wanted, but for ports that belong to other processes."""
        return self._taken.without(self.wanted_node, time.monotonic())

    def _has_new_settings(self) -> bool:
        return self._possible_node not in (self._node, self._refused_node)

    def lacks(self, servers: Collection[str]) -> bool:
        """Tell whether any of these server profiles is wanted, acceptable, and not in force yet."""
        return any(name in servers for name, _ in self._new_servers())

    def _new_servers(self) -> list[tuple[str, ServerProfile]]:
        return [
            (name, server)
            for name, server in self.wanted_servers.items()
            if name not in self._servers and name not in self._refused
        ]

    def _different_servers(self) -> dict[str, Collection[str]]:
        """Give the server profiles that are to come or to go, each with the namespace that asks for it.

        Routes do not wait for them: a host that needs one is closed until it is in force.
        """
        hosts = {server.host for server in self.wanted_servers.values()}
        new = [server for _, server in self._new_servers()]
        gone = [server for server in self._servers.values() if server.host not in hosts]
        return {server.id: (server.namespace,) for server in (*new, *gone)}

    def _needed_servers(self) -> list[ServerProfile]:
        """Give one server profile for each host that wants one: where nginx refuses it, the one before."""
        hosts = {server.host for server in self.wanted_servers.values()}
        before = [server for server in self._servers.values() if server.host in hosts]
        return [*before, *(s for name, s in self.wanted_servers.items() if name not in self._refused)]

    def _needed(self) -> dict[str, Profile]:
        """Give the profiles that routes want, and those that routes in force still use; not those refused."""
        in_use = self._queue.profiles_in_force()
        kept = {name: profile for name, profile in self._profiles.items() if name in in_use}
        wanted = {name: p for name, p in self.wanted_profiles.items() if name not in self._refused}
        return kept | wanted

    async def _change(self, missing: Mapping[str, Collection[str]], *, patient: bool) -> None:
        """Put what is wanted in force, as far as nginx takes it."""
        node = self._possible_node if self._possible_node != self._refused_node else self.node
        try:
            try:
                await self._put(node, self._needed().values(), self._needed_servers(), missing)
            except ConfigurationRefused as refusal:
                await self._change_in_parts(node, missing, refusal)
        except KeeperError as error:
            if isinstance(error, PortInUse) and self._taken.note(error, node, time.monotonic()):
                await self._change(missing, patient=patient)
                return
            if not patient:
                raise
            self._retry_at = time.monotonic() + _RETRY
            self._say("NotConfigured", "", str(error), "")
        else:
            self._trouble.pop("NotConfigured", None)

    async def _change_in_parts(
        self, node: NodeSettings, missing: Mapping[str, Collection[str]], refusal: ConfigurationRefused
    ) -> None:
        """Find out what is refused: the settings, or some of the new profiles; apply the rest."""
        in_force: tuple[Profile | ServerProfile, ...] = (*self._profiles.values(), *self._servers.values())
        if node != self._node and not await self._takes(node, in_force, missing):
            self._refused_node = node
            self._refused.add(_SETTINGS, time.monotonic())
            self._say(
                "SettingsRefused", "", str(refusal), "settings of the global ConfigMap that nginx takes"
            )
            if self._node is None:
                return
            node = self._node
        needed = self._needed()
        servers = self._needed_servers()
        new: list[Profile | ServerProfile] = [
            *(profile for name, profile in needed.items() if name not in self._profiles),
            *(server for server in servers if server.id not in self._servers),
        ]
        base: list[Profile | ServerProfile] = [
            *(profile for name, profile in needed.items() if name in self._profiles),
            *(server for server in servers if server.id in self._servers),
        ]
        search = trials(new)
        try:
            part = next(search)
            while True:
                part = search.send(await self._takes(node, [*base, *part], missing))
        except StopIteration as end:
            self._quarantine(end.value, str(refusal))

    def _quarantine(self, refused: Collection[Profile | ServerProfile], why: str) -> None:
        for profile in refused:
            self._refused.add(profile.id, time.monotonic())
            self._say(_refused_as(profile.id), _words(profile), why, "values that nginx takes")
        self._queue.refuse_profiles(profile.id for profile in refused)
        self.on_change()

    async def _takes(
        self,
        node: NodeSettings,
        profiles: Iterable[Profile | ServerProfile],
        missing: Mapping[str, Collection[str]],
    ) -> bool:
        every = tuple(profiles)
        locations = [profile for profile in every if isinstance(profile, Profile)]
        servers = [profile for profile in every if isinstance(profile, ServerProfile)]
        try:
            await self._put(node, locations, servers, missing)
        except ConfigurationRefused:
            return False
        return True

    async def _put(
        self,
        node: NodeSettings,
        profiles: Collection[Profile],
        servers: Iterable[ServerProfile],
        missing: Mapping[str, Collection[str]],
    ) -> None:
        """Put one configuration in force; of several servers for a host the last. Raises `KeeperError`."""
        by_host = {server.host: server for server in servers}
        rendered = self._rendered(node, profiles, by_host.values())
        begin = time.monotonic()
        try:
            render.write_files(self._state_dir, {**rendered.files, **self.wanted_documents})
            tracing.configure(self._state_dir, _collector(node))
        except OSError as error:
            raise KeeperFailed(f"cannot write what nginx reads: {error}") from error
        try:
            done = await self._keeper.configure(rendered)
        except KeeperError:
            self.refusals += 1
            raise
        self.generation = rendered.generation
        self._note(node, rendered, done.how, time.monotonic() - begin, missing)
        has_changed, self._node = node != self._node, node
        self._profiles = {p.id: p for p in (*EVERYDAY_PROFILES, *profiles)}
        self._servers = {server.id: server for server in by_host.values()}
        self._forgive(self._refused.accept({*self._profiles, *self._servers}))
        self._taken.settle(node)
        self._taken.keep_only(self.wanted_node)
        self._queue.know_profiles(rendered.profiles)
        self.on_change()
        if node == self._possible_node:
            self._trouble.pop("SettingsRefused", None)
            self._refused.accept({_SETTINGS})
        if has_changed:
            # With other settings nginx may take what it refused.
            self._forgive(self._refused.keep({_SETTINGS}))
        try:
            read = render.named_in(rendered.text) | rendered.files.keys() | self.wanted_documents.keys()
            render.remove_files(self._state_dir, but=read)
            memory = _memory.Memory(
                rendered.generation, node, tuple(self._profiles.values()), tuple(self._servers.values())
            )
            _memory.save(self._state_dir, memory)
        except OSError as error:
            _log.warning("cannot remember the configuration", error=str(error))

    def _rendered(
        self, node: NodeSettings, profiles: Collection[Profile], servers: Collection[ServerProfile]
    ) -> Rendered:
        """Give the text. Raises `ConfigurationRefused` for a value that has no directive, as if nginx had refused it."""
        try:
            return render.render(
                node, profiles, self._installation, servers=servers, worker_user=worker_user()
            )
        except (ValueError, TypeError, LookupError) as error:
            raise ConfigurationRefused(f"there is no directive for it: {error}") from error

    def _can_be_written(self, profile: Profile) -> bool:
        try:
            self._rendered(NodeSettings(), (profile,), ())
        except ConfigurationRefused:
            return False
        return True

    async def _is_current(self) -> bool:
        """Tell whether nginx runs the very text that this program would write for what it has."""
        rendered = self._rendered(self.node, self._profiles.values(), self._servers.values())
        return (await self._keeper.status()).generation == rendered.generation

    # --- telling --------------------------------------------------------------------------------------------

    def _note(
        self,
        node: NodeSettings,
        rendered: Rendered,
        how: str,
        seconds: float,
        missing: Mapping[str, Collection[str]],
    ) -> None:
        if how == "unchanged":
            return
        names = sorted({name for names in missing.values() for name in names if name})
        new = tuple(name for name in missing if name in rendered.profiles)
        reload = Reload(time.time(), how, seconds, new, tuple(names), settings=node != self._node)
        self.history.append(reload)
        self.done[how, "settings" if reload.settings else "profiles"] += 1
        _log.info(
            f"nginx {how}", seconds=round(seconds, 3), profiles=len(new), namespaces=",".join(names) or None
        )

    def _say(self, type_: str, value: str, message: str, accepted: str) -> None:
        kind = type_.partition(" ")[0]
        finding = Finding(Effect.FAILED, kind, "", "", value[:200], accepted, message=message[:2000])
        if self._trouble.get(type_) != finding:
            _log.error(
                "nginx's configuration is not as wanted", what=kind, value=value or None, message=message
            )
        self._trouble[type_] = finding


def worker_user() -> str | None:
    """Give the account that nginx's workers run as, as its directive wants it; None if they cannot change it."""
    if os.geteuid() != 0:
        return None
    for name in ("www-data", "nginx", "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            return f"{name} {grp.getgrgid(account.pw_gid).gr_name}"
    return "root"


def _refused_as(profile: str) -> str:
    """Name the trouble about a profile that is refused."""
    return f"ProfileRefused {profile}"


def _words(profile: Profile | ServerProfile) -> str:
    if isinstance(profile, ServerProfile):
        return f"TLS of host {profile.host}"
    return ", ".join(f"{key}={str(value).partition(chr(10))[0]}" for key, value in profile.values)


def _collector(node: NodeSettings) -> tracing.Settings | None:
    if not node.otlp_host:
        return None
    return tracing.Settings(
        node.otlp_host, node.otlp_port, node.otel_service, node.otel_queue, node.otel_delay, node.otel_batch
    )
