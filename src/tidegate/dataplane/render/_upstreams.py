"""The upstream blocks: connections to backends, and how long idle ones are kept.

Endpoints are data; the balancer names one for each try. A block holds what nginx takes only from its configuration.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.model import NodeSettings


def blocks(node: NodeSettings) -> Iterator[str]:
    """Give every upstream block."""
    yield "upstream tidegate {"
    yield "    server 0.0.0.1;  # replaced by the balancer"
    yield "    balancer_by_lua_block { tidegate_balance() }"
    for line in _keepalive(node):
        yield f"    {line}"
    yield "}"


def _keepalive(node: NodeSettings) -> Iterator[str]:
    if node.upstream_keepalive_connections:
        yield f"keepalive {node.upstream_keepalive_connections};"
        yield f"keepalive_timeout {node.upstream_keepalive_timeout}s;"
        yield f"keepalive_requests {node.upstream_keepalive_requests};"
        yield f"keepalive_time {node.upstream_keepalive_time}s;"
