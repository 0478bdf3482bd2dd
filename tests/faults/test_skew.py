"""A controller and a keeper of different versions: both orders serve, and going back leaves what was there before."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import tidegate
from harness import keeper, victims, waiting
from harness.gateway import Gateway
from harness.manifests import Manifest, path, rule
from harness.services import Services
from harness.trial import Recorders, Trial
from tidegate.model import Delta

HOST = "skew.example"

LUA = Path(tidegate.__file__).parent / "dataplane" / "lua"

CHANGES = {
    # A field that every route has, and one more thing that the keeper says.
    "model/_entries.py": (
        "class Route(",
        "    namespace: str",
        '    colour: str = msgspec.field(default_factory=lambda: "blue")\n    namespace: str',
    ),
    "dataplane/keeper/_server.py": (
        "async def _status",
        "msgspec.to_builtins(await self._keeper.status())",
        '{**msgspec.to_builtins(await self._keeper.status()), "weather": {"sun": True}}',
    ),
    "dataplane/push/_client.py": ("async def push", '{"op": "push"}', '{"op": "push", "mood": "good"}'),
    # Where the Lua side stands is no difference between versions.
    "dataplane/render/_config.py": ("LUA_FOLDER", 'Path(__file__).parents[1] / "lua"', f'Path("{LUA}")'),
}


@pytest.fixture
def recorders() -> Iterator[Recorders]:
    with Recorders() as started:
        yield started


@pytest.fixture
def services(recorders: Recorders) -> Services:
    return Services(None, "skew")  # type: ignore[arg-type]


def objects(recorders: Recorders, services: Services) -> list[Manifest]:
    web = recorders.start("web", 2)
    return [*services.of("web", web), services.ingress("web", rule(HOST, path("/", "web")))]


def following(folder: Path, protocol: int = 1) -> dict[str, str]:
    """Make the next version of the package; give the environment in which it is run."""
    package = folder / "next" / "tidegate"
    shutil.copytree(Path(tidegate.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, (after, old, new) in CHANGES.items():
        text = (package / name).read_text()
        at = text.index(old, text.index(after))
        (package / name).write_text(text[:at] + new + text[at + len(old) :])
    replies = package / "dataplane/keeper/replies.py"
    replies.write_text(replies.read_text().replace("PROTOCOL: Final = 1", f"PROTOCOL: Final = {protocol}"))
    return {"PYTHONPATH": str(package.parent)}


def in_force(gateway: Gateway) -> dict[str, bytes]:
    _, payload = keeper.ask(gateway.state_dir / "keeper.sock", "dump")
    changes = Delta.from_bytes(payload).changes
    return {k: v for k, v in changes.items() if v is not None and not k.startswith("o/")}


def swap(gateway: Gateway, env: dict[str, str]) -> None:
    """Replace the controller by one of another version."""
    gateway._env = {**{k: v for k, v in gateway._env.items() if k != "PYTHONPATH"}, **env}
    victims.kill(gateway, victims.CONTROLLER)


def change(gateway: Gateway, services: Services, host: str) -> None:
    gateway.folder.write(f"{host}.yaml", services.ingress(host, rule(host, path("/", "web"))))
    gateway.eventually(host, status=200)


def test_the_next_controller_before_an_old_keeper_and_back(
    recorders: Recorders, services: Services, tmp_path: Path
) -> None:
    """No request is lost, nothing reloads, changes come into force; after going back the entries are as they were."""
    env = following(tmp_path)
    with Gateway(objects(recorders, services), access_log=False) as gateway:
        before, status = in_force(gateway), gateway.status()
        with Trial(recorders, [f"web=http://{HOST}/"], ports=[gateway.http_port]) as load:
            swap(gateway, env)
            change(gateway, services, "later.example")
            waiting.until(
                lambda: any(b"blue" in v for v in in_force(gateway).values()), why="the next version"
            )
            swap(gateway, {})
            assert gateway.get("later.example").status == 200
            gateway.folder.remove("later.example.yaml")
            gateway.eventually("later.example", status=404)
        after, end = gateway.status(), in_force(gateway)
    assert not load.failed
    assert (after["workers"], after["reloads"]) == (status["workers"], status["reloads"])
    assert end == before


def test_an_old_controller_before_the_next_keeper(
    recorders: Recorders, services: Services, tmp_path: Path
) -> None:
    """What the keeper says besides is passed over, and what is in force besides is left out or taken away."""
    env = following(tmp_path)
    with Gateway(objects(recorders, services), access_log=False, env=env) as gateway:
        assert gateway.status()["weather"] == {"sun": True}
        workers = gateway.workers
        with Trial(recorders, [f"web=http://{HOST}/"], ports=[gateway.http_port]) as load:
            swap(gateway, {})
            change(gateway, services, "later.example")
        assert gateway.workers == workers
        assert gateway.status()["weather"] == {"sun": True}
        assert not any(b"blue" in v for v in in_force(gateway).values())
        assert gateway.run("routes").returncode == gateway.run("info").returncode == 0
    assert not load.failed


def test_a_keeper_of_another_protocol_is_left_alone(
    recorders: Recorders, services: Services, tmp_path: Path
) -> None:
    """The controller says why and ends; traffic goes on as it was."""
    env = following(tmp_path, protocol=2)
    with Gateway(objects(recorders, services), access_log=False, env=env) as gateway:
        gateway.kill()
        status = gateway.status()
        gateway._env.pop("PYTHONPATH")
        assert gateway.spawn().wait(20) == 3
        assert "speaks protocol 2, this controller 1" in gateway.log_text()
        assert gateway.status() == status
        assert gateway.get(HOST).status == 200
