"""Bounds on what one file or document may cost. All are far above what manifests hold."""

from __future__ import annotations

from typing import Final

DEPTH: Final = 64
"""Levels of nesting in a document; the deepest field that is read stands at level 10."""

ALIASED_NODES: Final = 100_000
"""Nodes that the aliases of one document may stand for, all together."""

ALIASED_BYTES: Final = 10 * 1024 * 1024
"""Bytes of text that the aliases of one document may stand for, all together."""

FILE_BYTES: Final = 64 * 1024 * 1024
"""Default for the size of one file."""
