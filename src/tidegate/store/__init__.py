"""Typed, indexed copies of the source's objects, in memory; and who looked at which of them.

``Store`` holds the objects; a ``View`` of it records what was looked at; ``Readers`` remembers that, and so knows who is
affected by a change. Nothing here knows what the objects mean.
"""

from tidegate.store._differences import LIMIT, differences, shared_ends
from tidegate.store._facts import SERVICE_LABEL, answer_for, every, slices_of
from tidegate.store._readers import Readers
from tidegate.store._store import Store
from tidegate.store._views import View

__all__ = [
    "LIMIT",
    "SERVICE_LABEL",
    "Readers",
    "Store",
    "View",
    "answer_for",
    "differences",
    "every",
    "shared_ends",
    "slices_of",
]
