"""``python -m bench._parse FOLDER``: read a folder of manifests as the gateway does, and print the seconds it took.

Nothing is done with the objects: this is what a start would take if reading were all of it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tidegate import sources


def main(folder: Path) -> None:
    start = time.monotonic()
    sources.read_folder(folder)
    print(time.monotonic() - start)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
