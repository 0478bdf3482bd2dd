"""Causes: which change of which object led to work, joined when several changes wait for the same work."""

from __future__ import annotations

from typing import Final

from tidegate.kube.objects import Ref, Resource
from tidegate.model import Cause
from tidegate.store import LIMIT, differences
from tidegate.translate.interpret.faults import cut

FLAGS: Final = Cause("the flags", (), "added")
"""What has to be there without any object."""


def cause_of(ref: Ref, before: Resource | None, after: Resource | None) -> Cause:
    """Name the change of one object."""
    # Names of objects and fields are users' text too, and causes are written to the journal.
    name = cut(str(ref))
    if before is None:
        return Cause(name, (), "added")
    if after is None:
        return Cause(name, (), "removed")
    return Cause(name, tuple(map(cut, differences(before, after))), "changed")


def joined(earlier: Cause | None, later: Cause) -> Cause:
    """Join the causes of work that is still to do. Of two objects the later one is told."""
    if earlier is None or earlier.object != later.object or later.action == "removed":
        return later
    if earlier.action == "added":
        return earlier
    fields = tuple(dict.fromkeys((*earlier.fields, *later.fields)))[:LIMIT]
    return Cause(later.object, fields, "changed")
