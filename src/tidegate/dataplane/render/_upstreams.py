"""The upstream blocks: connections to backends, and room for those that are kept.

Endpoints are data; the balancer names one for each try, and says for how long its connection is kept. A block holds what
nginx takes only from its configuration. Each protocol has a block of its own: kept connections are known by block, address
and a name that the balancer gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tidegate.dataplane.render import _protocols
from tidegate.model import NodeSettings, Profile

_WITHOUT_KEEPALIVE: Final = frozenset({"fcgi"})
"""Protocols whose servers end the connection after each answer."""

_SHARED: Final = frozenset({"tidegate", "tidegate_https", "tidegate_grpc", "tidegate_grpcs"})
"""Blocks that are not one TLS identity's own."""

_MOST_ROOM: Final = 4096
_MOST_ROOM_OF_OTHERS: Final = 512
"""Connections, for plain HTTP and for each of the other protocols. nginx takes 350 bytes of memory for each at its start."""


def blocks(node: NodeSettings, profiles: Iterable[Profile]) -> Iterator[str]:
    """Give every upstream block that some profile passes requests to."""
    # In the text, so that another value makes another generation.
    yield f"# kept connections: {pools(node)}"
    for name, protocol in _protocols.blocks(profiles).items():
        room = 1 if protocol in _WITHOUT_KEEPALIVE else _room(node, name)
        yield f"upstream {name} {{"
        yield "    server 0.0.0.1;  # replaced by the balancer"
        yield "    balancer_by_lua_block { tidegate_balance() }"
        yield f"    balancer_keepalive {room};"
        yield "}"


def pools(node: NodeSettings) -> str:
    """Give the fields of a Lua table: what is kept of each backend's connections, and for how long."""
    return (
        f"connections = {node.upstream_keepalive_connections}, idle = {node.upstream_keepalive_timeout}, "
        f"requests = {node.upstream_keepalive_requests}, life = {node.upstream_keepalive_time}"
    )


def _room(node: NodeSettings, name: str) -> int:
    """Enough for what many backends of many tenants keep at once, so that none pushes out another's (``pools.lua``)."""
    wanted = node.upstream_keepalive_connections
    if name not in _SHARED or not wanted:
        return max(wanted, 1)
    most = _MOST_ROOM if name == "tidegate" else _MOST_ROOM_OF_OTHERS
    return min(max(wanted, most), node.worker_connections)
