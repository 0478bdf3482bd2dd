"""Typed, indexed copies of the source's objects, in memory; and who looked at which of them.

``Store`` holds the objects; a ``View`` of it records what was looked at; ``Readers`` remembers that, and so knows who is
affected by a change. Nothing here knows what the objects mean.
"""

from tidegate.store._facts import SERVICE_LABEL, answer_for, every, slices_of
from tidegate.store._store import Store

__all__ = ["SERVICE_LABEL", "Store", "answer_for", "every", "slices_of"]
