"""Render: node settings and profiles to the text of ``nginx.conf``.

Everything that arrives here is typed: numbers, booleans, members of enums, and the few texts that passed the guard (header
names, CIDRs, cipher strings). No text of a tenant does, but for the DNS names of server profiles. The text has the same size
for ten routes and for a hundred thousand. This room decides nothing: it lays out.
"""

from tidegate.dataplane.render._config import Rendered, render
from tidegate.dataplane.render._default_certificate import ensure_default_certificate
from tidegate.dataplane.render._files import named_in, remove_files, write_files
from tidegate.dataplane.render._profiles import EVERYDAY_PROFILES

__all__ = [
    "EVERYDAY_PROFILES",
    "Rendered",
    "ensure_default_certificate",
    "named_in",
    "remove_files",
    "render",
    "write_files",
]
