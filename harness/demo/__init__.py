"""The demo: a gateway on a copy of ``examples/shop``, changed under load.

``main`` is what ``tidegate demo`` calls. It starts real backends and a real gateway, takes every step by editing a file
of the copy as a user would, and counts what became of every request meanwhile.
"""

from harness.demo._show import main

__all__ = ["main"]
