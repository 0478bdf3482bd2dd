"""The pure match: what the gateway does with a request, told from its entries alone.

The mirror of the router that runs inside nginx, kept honest by comparing both on random requests. It opens
no file and asks no gateway; whoever calls it brings the entries (of a folder, or those in force).
"""

from tidegate.translate.explain._balancing import algorithm_of
from tidegate.translate.explain._decide import decide
from tidegate.translate.explain._hosts import host_name, rules_of
from tidegate.translate.explain._patterns import NotComparable
from tidegate.translate.explain._uris import BadUri, Uri, normalize
from tidegate.translate.explain._values import (
    Answer,
    CanaryChoice,
    Decision,
    Entries,
    Origin,
    Request,
    Setting,
    Step,
)

__all__ = [
    "Answer",
    "BadUri",
    "CanaryChoice",
    "Decision",
    "Entries",
    "NotComparable",
    "Origin",
    "Request",
    "Setting",
    "Step",
    "Uri",
    "algorithm_of",
    "decide",
    "host_name",
    "normalize",
    "rules_of",
]
