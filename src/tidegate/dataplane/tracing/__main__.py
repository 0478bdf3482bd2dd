"""Run the exporter: ``python -m tidegate.dataplane.tracing STATE-DIR``."""

import sys
from pathlib import Path

# No TLS is spoken here, and its library would be a fifth of this process.
sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]

from tidegate.dataplane.tracing._exporter import Exporter  # noqa: E402
from tidegate.dataplane.tracing._settings import read  # noqa: E402

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    if settings := read(folder):
        Exporter(folder, settings).run()
