"""The journal: every change of the gateway with its time and cause, and with it the whole state on disk.

One change writes as many bytes as it has. `Journal` is the writer's side, held by the keeper alone; `history` reads it
as a story beside the running keeper. Merging (into a snapshot, or into one delta for nginx or a controller) is done by
``python -m tidegate.dataplane.journal``, a process of its own, so that the keeper stays small and never waits for it.

Nothing here knows what an entry means. Files are readable by their owner only.
"""

from tidegate.dataplane.journal._history import Change, Reason, history
from tidegate.dataplane.journal._journal import Journal
from tidegate.dataplane.journal._wire import Header, Malformed, Parts, for_nginx, read_header

__all__ = [
    "Change",
    "Header",
    "Journal",
    "Malformed",
    "Parts",
    "Reason",
    "for_nginx",
    "history",
    "read_header",
]
