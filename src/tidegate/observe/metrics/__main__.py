"""Run the exporter: ``python -m tidegate.observe.metrics --state-dir DIR``; it ends when its standard input does."""

import argparse
import os
import sys
from pathlib import Path

from tidegate.observe.metrics._exporter import Exporter
from tidegate.observe.metrics._server import Server


def main() -> int:
    """Answer until standard input ends; give the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tidegate.observe.metrics", description="Tell the metrics of a gateway node."
    )
    parser.add_argument(
        "--state-dir", type=Path, required=True, help="the folder of everything that is written"
    )
    options = parser.parse_args()
    os.umask(0o077)
    server = Server(Exporter(options.state_dir))
    try:
        server.run(sys.stdin.fileno())
    finally:
        server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
