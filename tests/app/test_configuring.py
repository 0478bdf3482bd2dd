"""nginx is configured with as few reloads as can be, and what it refuses is left out alone."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from harness import waiting
from tidegate import model
from tidegate.app import _memory
from tidegate.app._configuring import Configurer
from tidegate.app._quarantine import FIRST_SECONDS, Quarantine
from tidegate.dataplane import install, push, render
from tidegate.dataplane.delta import Queue
from tidegate.model import Cause, NodeSettings, Profile, Route

GOOD = [Profile((("body_size", 3000 + n),)) for n in range(4)]
BAD = Profile((("body_size", 2**65),))
"""More than nginx can count."""


class Rig:
    """A configurer with a real keeper and nginx."""

    def __init__(self, folder: Path, keeper: push.KeeperClient) -> None:
        http, https, status = waiting.free_ports(3)
        self.folder = folder
        self.keeper = keeper
        self.node = NodeSettings(
            http_port=http, https_port=https, status_port=status, bind_addresses=("127.0.0.1",),
            worker_connections=256, store_bytes=2**21,
        )  # fmt: skip
        self.begin_anew()

    def begin_anew(self) -> None:
        """Stand for a new controller."""
        self.queue = Queue()
        self.configurer = Configurer(self.keeper, install.find(), self.folder, self.queue)
        self.configurer.wanted_node = self.node

    def want(self, *profiles: Profile) -> None:
        self.configurer.wanted_profiles = {profile.id: profile for profile in profiles}
        for number, profile in enumerate(profiles):
            key = f"r/ns/{number}"
            value = model.encode(Route(profile=profile.id))
            self.queue.offer({key: value}, {key: Cause("Ingress ns/x")})
        while batch := self.queue.take():
            self.queue.acknowledge(batch)

    async def reloads(self) -> int:
        return (await self.keeper.status()).reloads

    async def known(self) -> set[str]:
        return set((await self.keeper.status()).profiles)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    render.ensure_default_certificate(tmp_path)
    keeper = await push.ensure_keeper(tmp_path)
    try:
        yield Rig(tmp_path, keeper)
    finally:
        await keeper.stop()
        await keeper.until_gone()
        await keeper.close()


async def test_a_new_controller_adopts_what_runs_without_a_reload(rig: Rig) -> None:
    rig.want(*GOOD)
    await rig.configurer.begin(rig.node)
    rig.begin_anew()
    rig.want(GOOD[0])
    rig.configurer.adopt(await rig.keeper.status())
    await rig.configurer.begin(rig.node)
    assert await rig.reloads() == 0
    assert not rig.configurer.history


async def test_a_new_profile_is_added_and_lets_its_routes_go(rig: Rig) -> None:
    await rig.configurer.begin(rig.node)
    rig.want(GOOD[0])
    assert rig.queue.missing_profiles() == {GOOD[0].id: {"ns"}}
    await rig.configurer._change(rig.queue.missing_profiles(), patient=True)
    assert rig.queue.missing_profiles() == {}
    assert rig.queue.take() is not None
    assert await rig.reloads() == 1


async def test_a_profile_that_routes_in_force_use_stays(rig: Rig) -> None:
    await rig.configurer.begin(rig.node)
    rig.want(GOOD[0])
    await rig.configurer._change(rig.queue.missing_profiles(), patient=True)
    batch = rig.queue.take()
    assert batch is not None
    rig.queue.acknowledge(batch)
    # Now the route wants another one, and what is in force still names the first.
    rig.want(GOOD[1])
    await rig.configurer._change(rig.queue.missing_profiles(), patient=True)
    assert {GOOD[0].id, GOOD[1].id} <= await rig.known()


async def test_a_refused_profile_is_found_and_the_others_are_applied(rig: Rig) -> None:
    await rig.configurer.begin(rig.node)
    rig.want(*GOOD, BAD)
    await rig.configurer._change(rig.queue.missing_profiles(), patient=True)
    assert {profile.id for profile in GOOD} <= await rig.known()
    (finding,) = rig.configurer.findings()
    assert (finding.type, finding.value) == ("ProfileRefused", f"body_size={2**65}")
    # Its route is not kept waiting: it gets the profile that it had.
    assert rig.queue.missing_profiles() == {}


async def test_values_without_a_directive_cost_their_own_routes_alone(rig: Rig) -> None:
    """As those that nginx refuses: they are told, and the others are applied."""
    await rig.configurer.begin(rig.node)
    values: dict[str, Any] = {
        "no_such_key": 1, "http_version": "3.0", "protocol": "gopher", "buffer_size": "4k", "body_size": "x",
    }  # fmt: skip
    rig.want(GOOD[0], *(Profile((value,)) for value in values.items()), GOOD[1])
    await rig.configurer._change(rig.queue.missing_profiles(), patient=True)
    assert {profile.id for profile in GOOD[:2]} <= await rig.known()
    found = rig.configurer.findings()
    assert {f.type for f in found} == {"ProfileRefused"}
    assert {f.value for f in found} == {f"{key}={value}" for key, value in values.items()}
    assert rig.queue.missing_profiles() == {}


async def test_what_another_version_remembered_and_this_one_cannot_write_is_no_hindrance(rig: Rig) -> None:
    """The controller adopts the rest, and begins."""
    rig.want(GOOD[0])
    await rig.configurer.begin(rig.node)
    memory = _memory.load(rig.folder)
    strange = Profile((("of_tomorrow", True),))
    _memory.save(rig.folder, replace(memory, profiles=(*memory.profiles, strange)))
    rig.begin_anew()
    rig.want(GOOD[0], GOOD[1])
    rig.configurer.adopt(await rig.keeper.status())
    await rig.configurer.begin(rig.node)
    assert {GOOD[0].id, GOOD[1].id} <= await rig.known()
    assert rig.configurer.findings() == ()


async def test_a_refused_profile_is_tried_again_and_comes_once_nginx_takes_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its time has come; and at once with other settings of the node."""
    await rig.configurer.begin(rig.node)
    configurer, configure = rig.configurer, rig.keeper.configure
    picky = True

    async def refusing(rendered: render.Rendered) -> object:
        if picky and GOOD[0].id in rendered.profiles:
            raise push.ConfigurationRefused("not now")
        return await configure(rendered)

    monkeypatch.setattr(rig.keeper, "configure", refusing)
    rig.want(GOOD[0])
    await configurer._change(rig.queue.missing_profiles(), patient=True)
    rig.want(GOOD[0])
    assert [finding.type for finding in configurer.findings()] == ["ProfileRefused"]
    assert rig.queue.missing_profiles() == {}
    begin = time.monotonic()
    configurer._reconsider(begin)
    assert rig.queue.take() is None
    assert rig.queue.missing_profiles() == {}
    picky = False
    configurer._reconsider(begin + 2 * FIRST_SECONDS)
    assert rig.queue.take() is None
    assert set(rig.queue.missing_profiles()) == {GOOD[0].id}
    await configurer._change(rig.queue.missing_profiles(), patient=True)
    assert GOOD[0].id in await rig.known()
    assert configurer.findings() == ()
    rig.want(GOOD[0])
    assert rig.queue.profiles_in_force() == {GOOD[0].id}


async def test_a_refused_profile_comes_with_settings_with_which_nginx_takes_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.configurer.begin(rig.node)
    configure, node = rig.keeper.configure, rig.configurer.node

    async def refusing(rendered: render.Rendered) -> object:
        if rig.configurer.wanted_node == node and GOOD[0].id in rendered.profiles:
            raise push.ConfigurationRefused("not with these")
        return await configure(rendered)

    monkeypatch.setattr(rig.keeper, "configure", refusing)
    rig.want(GOOD[0])
    await rig.configurer._change(rig.queue.missing_profiles(), patient=True)
    rig.want(GOOD[0])
    assert GOOD[0].id not in await rig.known()
    rig.configurer.wanted_node = replace(node, worker_connections=512)
    await rig.configurer._change({}, patient=True)
    assert rig.queue.take() is None
    await rig.configurer._change(rig.queue.missing_profiles(), patient=True)
    assert GOOD[0].id in await rig.known()
    assert rig.configurer.findings() == ()


async def test_what_is_refused_and_not_wanted_any_more_is_forgotten(rig: Rig) -> None:
    await rig.configurer.begin(rig.node)
    rig.want(BAD)
    await rig.configurer._change(rig.queue.missing_profiles(), patient=True)
    assert rig.configurer.findings()
    rig.want()
    rig.configurer._reconsider(time.monotonic())
    assert rig.configurer.findings() == ()


async def test_refused_settings_leave_those_in_force_and_new_profiles_come_all_the_same(rig: Rig) -> None:
    await rig.configurer.begin(rig.node)
    rig.configurer.wanted_node = replace(rig.node, ssl_ciphers="NO-SUCH-CIPHER")
    rig.want(GOOD[0])
    await rig.configurer._change(rig.queue.missing_profiles(), patient=True)
    assert [finding.type for finding in rig.configurer.findings()] == ["SettingsRefused"]
    assert GOOD[0].id in await rig.known()
    assert rig.configurer.node == rig.node
    rig.configurer.wanted_node = rig.node
    await rig.configurer._change({}, patient=True)
    assert rig.configurer.findings() == ()


async def test_without_settings_that_nginx_takes_it_begins_with_the_flags_alone(rig: Rig) -> None:
    rig.configurer.wanted_node = replace(rig.node, ssl_ciphers="NO-SUCH-CIPHER")
    await rig.configurer.begin(rig.node)
    assert rig.configurer.node == rig.node
    assert (await rig.keeper.status()).master


def test_each_trial_comes_later_than_the_one_before() -> None:
    held, now = Quarantine(first=10, longest=35), 0.0
    waits = []
    for _ in range(4):
        held.add("p", now)
        waits.append(wait := held.wait(now))
        assert wait is not None
        assert held.release(now + wait - 1) == []
        now += wait
        assert held.release(now) == ["p"]
        assert "p" not in held
    assert waits == [10, 20, 35, 35]
    assert held.accept({"p"}) == ["p"]
    held.add("p", now)
    assert held.wait(now) == 10
    assert held.keep({"q"}) == ["p"]
    assert held.wait(now) is None
