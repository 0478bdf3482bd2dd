"""What users write is read here, and nowhere else: text becomes a typed value, or is refused.

- ``values``: booleans, numbers, sizes, times, enums and texts of closed sets of characters (reference, a.0)
- ``names``: hosts, names of objects and ports, header names
- ``paths``: paths of rules
- ``addresses``: IP addresses and networks
- ``regex``: regular expressions, as nginx compiles them
- ``tls``: protocols and ciphers

A reader gives the value or raises ``Unacceptable``, whose text says what would be accepted. Nothing here knows of
objects or findings, and nothing passes text on that it did not look at.
"""

from tidegate.guard._refusal import Unacceptable

__all__ = ["Unacceptable"]
