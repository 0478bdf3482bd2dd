"""Work on a journal's files that needs the whole state in memory, as a process of its own.

    python -m tidegate.dataplane.journal compact FOLDER SEGMENT   merge everything up to a segment into the snapshot
    python -m tidegate.dataplane.journal restore FOLDER FILE      write what nginx starts from, as one delta
    python -m tidegate.dataplane.journal dump FOLDER FILE         the same with the entries that only the disk holds

For the last two, standard input may hold records that are not on disk yet.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tidegate.dataplane.journal import _compaction, _state, files

_WRONG_USE = 2
_WORLD_FAILED = 3


def main(arguments: list[str]) -> int:
    """Run one piece of work; give the exit code."""
    if len(arguments) != 3 or arguments[0] not in {"compact", "restore", "dump"}:
        sys.stderr.write(__doc__ or "")
        return _WRONG_USE
    work, folder, last = arguments[0], Path(arguments[1]), arguments[2]
    os.umask(0o077)
    try:
        if work == "compact":
            _compaction.compact(folder, int(last))
        else:
            state = _state.load(folder, more=memoryview(sys.stdin.buffer.read()))
            files.write_atomically(Path(last), state.delta(objects=work == "dump"))
    except OSError as e:
        sys.stderr.write(f"{work}: {e.strerror}: {e.filename or folder}\n")
        return _WORLD_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
