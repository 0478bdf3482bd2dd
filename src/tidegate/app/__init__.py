"""The wiring: the only place that knows every room, and so the whole way from a source to nginx.

It decides nothing about objects or traffic; it brings facts to those who decide, and what they decide to those who
do it. Heavy parts are imported when they are asked for, because the commands share this package with the gateway.
"""

from tidegate.app._control import NotRunning, ask
from tidegate.app._logging import Format
from tidegate.app._nameservers import nameservers
from tidegate.app._options import Options, bind_addresses, default_state_dir, default_workers

__all__ = [
    "Format",
    "NotRunning",
    "Options",
    "ask",
    "bind_addresses",
    "default_state_dir",
    "default_workers",
    "nameservers",
]
