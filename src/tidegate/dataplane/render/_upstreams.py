"""The upstream blocks: connections to backends, and how long idle ones are kept.

Endpoints are data; the balancer names one for each try. A block holds what nginx takes only from its configuration. Each
protocol has a block of its own: nginx keeps idle connections by block and address only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tidegate.dataplane.render import _protocols
from tidegate.model import NodeSettings, Profile

_WITHOUT_KEEPALIVE: Final = frozenset({"fcgi"})
"""Protocols whose servers end the connection after each answer."""


_LIFE: Final = 300
"""Seconds that a connection of a TLS identity lives at most: so long may a certificate that was replaced be in use."""


def blocks(node: NodeSettings, profiles: Iterable[Profile]) -> Iterator[str]:
    """Give every upstream block that some profile passes requests to."""
    for name, protocol in _protocols.blocks(profiles).items():
        own = name.count("_") > 1
        yield from _block(node, name, keepalive=protocol not in _WITHOUT_KEEPALIVE, life=_LIFE if own else 0)


def _block(node: NodeSettings, name: str, *, keepalive: bool, life: int) -> Iterator[str]:
    yield f"upstream {name} {{"
    yield "    server 0.0.0.1;  # replaced by the balancer"
    yield "    balancer_by_lua_block { tidegate_balance() }"
    if keepalive:
        for line in _keepalive(node, life):
            yield f"    {line}"
    yield "}"


def _keepalive(node: NodeSettings, life: int) -> Iterator[str]:
    if node.upstream_keepalive_connections:
        yield f"keepalive {node.upstream_keepalive_connections};"
        yield f"keepalive_timeout {node.upstream_keepalive_timeout}s;"
        yield f"keepalive_requests {node.upstream_keepalive_requests};"
        longest = node.upstream_keepalive_time
        yield f"keepalive_time {min(longest, life) if life else longest}s;"
