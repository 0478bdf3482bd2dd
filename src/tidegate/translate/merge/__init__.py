"""Merging: what all contributions together mean for each host and each backend.

The one place where order and conflicts are decided. A change of one contribution touches only its own slots (host, kind
and path), and from those only the entries that can differ.
"""

from tidegate.translate.merge.ledger import Ledger, Note
from tidegate.translate.merge.merger import Merger

__all__ = ["Ledger", "Merger", "Note"]
