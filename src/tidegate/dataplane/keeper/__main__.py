"""Run the keeper: ``python -m tidegate.dataplane.keeper --state-dir DIR`` (see ``--help``)."""

import sys

# Before anything imports asyncio: no TLS is spoken here, and its library would be a fifth of this process.
sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]

from tidegate.dataplane.keeper import _process  # noqa: E402

if __name__ == "__main__":
    sys.exit(_process.main())
