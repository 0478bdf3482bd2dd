"""A gateway that cannot begin says why, ends with 3, and leaves nothing running."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from harness import waiting
from harness.gateway import Gateway


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """Give a gateway that is not started."""
    made = Gateway()
    yield made
    made._end()


def test_a_port_in_use_is_named(gateway: Gateway) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", gateway.http_port))
        taken.listen()
        assert gateway.spawn().wait(30) == 3
    assert str(gateway.http_port) in gateway.log_text()
    waiting.until(lambda: not gateway.processes(), 10, why="nothing left")


def test_a_data_plane_that_is_not_installed_is_said(gateway: Gateway) -> None:
    gateway._env["TIDEGATE_NGINX_PREFIX"] = str(gateway.root / "nowhere")
    assert gateway.spawn().wait(30) == 3
    assert "nowhere" in gateway.log_text()
    assert not gateway.processes()


def test_a_state_folder_that_is_a_file_is_said(gateway: Gateway) -> None:
    gateway.state_dir.write_text("")
    assert gateway.spawn().wait(30) == 3
    assert str(gateway.state_dir) in gateway.log_text()


def test_a_folder_that_comes_later_is_served_then(gateway: Gateway) -> None:
    """Until then the gateway says that it is not ready, and why."""
    gateway.folder.path.rmdir()
    gateway.start(wait=False)
    waiting.until(lambda: gateway.run("findings").returncode == 1, 20, 0.1, why="the finding")
    assert str(gateway.folder.path) in gateway.run("findings").stdout.replace("\n", "")
    with pytest.raises(waiting.TimedOutWaiting):
        waiting.until(gateway.is_ready, 3, 0.1)
    gateway.folder.path.mkdir()
    waiting.until(gateway.is_ready, 20, 0.1)
