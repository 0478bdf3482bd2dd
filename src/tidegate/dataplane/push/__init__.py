"""How a controller reaches its data plane: a client of the keeper, and the start of one.

`ensure_keeper` adopts the keeper of a state folder or starts it, `lock_state_dir` sees to it that there is one
controller, and `KeeperClient` asks. The keeper's errors become exceptions below `KeeperError`. What to push, and what
to do about a conflict, is not decided here.
"""

from tidegate.dataplane.keeper.locks import Lock
from tidegate.dataplane.keeper.replies import How, Status, Store
from tidegate.dataplane.push._client import Configured, KeeperClient, Pushed
from tidegate.dataplane.push._errors import (
    ConfigurationRefused,
    KeeperError,
    KeeperFailed,
    KeeperGone,
    NginxDown,
    PortInUse,
    PushConflict,
    StateDirInUse,
    StoreFull,
)
from tidegate.dataplane.push._start import ensure_keeper, lock_state_dir

__all__ = [
    "ConfigurationRefused",
    "Configured",
    "How",
    "KeeperClient",
    "KeeperError",
    "KeeperFailed",
    "KeeperGone",
    "Lock",
    "NginxDown",
    "PortInUse",
    "PushConflict",
    "Pushed",
    "StateDirInUse",
    "Status",
    "Store",
    "StoreFull",
    "ensure_keeper",
    "lock_state_dir",
]
