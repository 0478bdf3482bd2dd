"""What can go wrong with a ledger itself; what it finds is no exception."""

from __future__ import annotations


class LedgerError(Exception):
    """The ledger cannot do what it was asked for."""


class BadPlan(LedgerError):
    """A load that makes no sense: its targets, its mix or its rate."""


class BadHistory(LedgerError):
    """A file is no history, or cannot be read."""
