"""`tidegate run`: a gateway in the foreground."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Group, Parameter

from tidegate.app import Format
from tidegate.cli._errors import FINE, WORLD_FAILED, WorldFailed
from tidegate.cli._flags import ConfigFile, LaterFlags, NodeFlags, ObjectFlags, StateDir
from tidegate.cli._settings import options

LogFormat = Annotated[
    Format,
    Parameter(
        group=Group("Log", sort_key=7),
        help="auto: for people on a terminal, else text; text: key=value; json: an object a line.",
    ),
]

_NODE = NodeFlags()
_OBJECTS = ObjectFlags()
_LATER = LaterFlags()


def run(
    *,
    node: NodeFlags = _NODE,
    objects: ObjectFlags = _OBJECTS,
    state_dir: StateDir = None,
    config: ConfigFile = None,
    log_format: LogFormat = Format.AUTO,
    later: LaterFlags = _LATER,
) -> int:
    """Run a gateway on a folder of manifests, in the foreground.

    The folder is watched: what changes there is in force milliseconds later, without a reload. nginx goes on serving
    if this process dies, and the next `tidegate run` on the same state folder adopts it. SIGTERM lets health fail,
    waits for the grace period, lets requests finish, and ends with 0.

    Every flag may also be given as a variable (TIDEGATE_HTTP_PORT=8080) or in the TOML file of --config; a flag
    goes before a variable, and that before the file.

    Examples:
    tidegate run --manifests ./manifests --http-port 8080 --https-port 8443

    tidegate run --manifests /etc/gateway --access-log - --log-format json
    """
    del config  # read before the command is called
    import structlog

    from tidegate.app import _gateway, _logging
    from tidegate.dataplane import install, push

    _logging.begin(log_format, verbose=later.v >= 2)
    log = structlog.stdlib.get_logger("tidegate")
    chosen = options(node, objects, later, state_dir)
    for flag in later.given():
        log.info("accepted, no effect yet", flag=flag)
    log.info("starting", manifests=str(chosen.folder), state_dir=str(chosen.state_dir))
    try:
        _gateway.run(_gateway.Gateway(chosen))
    except (push.KeeperError, push.StateDirInUse, install.InstallError, OSError) as error:
        raise WorldFailed(str(error)) from error
    except Exception:
        log.exception("the gateway failed; nginx goes on serving, and the next `tidegate run` adopts it")
        return WORLD_FAILED
    return FINE
