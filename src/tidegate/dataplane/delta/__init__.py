"""Deltas and the push queue: the differences between what is wanted and what nginx has, sent in safe order.

The core (`Queue`, `Reloads`) is pure and is told the time; `Pusher` does what it says. Neither interprets
objects, and neither talks to nginx directly: that is the keeper's.
"""

from tidegate.dataplane.delta._groups import Change, Group, Parked, Urgency
from tidegate.dataplane.delta._pusher import Pusher
from tidegate.dataplane.delta._queue import MOST_BYTES, MOST_ENTRIES, Batch, Queue
from tidegate.dataplane.delta._reloads import Budget, Reloads, trials

__all__ = [
    "MOST_BYTES",
    "MOST_ENTRIES",
    "Batch",
    "Budget",
    "Change",
    "Group",
    "Parked",
    "Pusher",
    "Queue",
    "Reloads",
    "Urgency",
    "trials",
]
