"""Ports that belong to another process are left out, and tried again."""

from __future__ import annotations

from tidegate.app._taken_ports import AGAIN, TakenPorts
from tidegate.dataplane.push import PortInUse
from tidegate.model import NodeSettings, StreamPort

NODE = NodeSettings(stream_ports=(StreamPort("tcp", 1), StreamPort("tcp", 2), StreamPort("udp", 2)))


def in_use(port: int) -> PortInUse:
    return PortInUse(f"port {port} is in use", "0.0.0.0", port)


def test_only_ports_of_services_can_be_done_without() -> None:
    """Without its HTTP port the gateway has nothing to do."""
    taken = TakenPorts()
    assert not taken.note(in_use(80), NODE, 0)
    assert taken.note(in_use(2), NODE, 0)
    assert [port.port for port in taken.without(NODE, 0).stream_ports] == [1]
    assert [finding.value for finding in taken.findings()] == ["2"]


def test_a_port_is_tried_again() -> None:
    """And once it is open, nothing is left of it."""
    taken = TakenPorts()
    assert taken.wait(0) is None
    taken.note(in_use(2), NODE, 0)
    assert taken.wait(0) == AGAIN
    assert taken.without(NODE, AGAIN + 1) == NODE
    taken.settle(NODE)
    assert (taken.wait(0), taken.findings()) == (None, ())


def test_a_port_that_nobody_wants_is_forgotten() -> None:
    """With its finding."""
    taken = TakenPorts()
    taken.note(in_use(2), NODE, 0)
    taken.keep_only(NodeSettings())
    assert (taken.wait(0), taken.findings()) == (None, ())
