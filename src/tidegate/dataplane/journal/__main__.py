"""Work on a journal's files that needs the whole state in memory, as a process of its own.

    python -m tidegate.dataplane.journal compact FOLDER SEGMENT   merge everything up to a segment into the snapshot
    python -m tidegate.dataplane.journal restore FOLDER FILE      write what nginx starts from, as one delta; print the
                                                                  version
    python -m tidegate.dataplane.journal dump FOLDER              print the same with the entries only the disk holds
    python -m tidegate.dataplane.journal rebase FOLDER            print one delta of what nginx holds (standard input)
                                                                  and the entries that only the disk holds

For ``restore`` and ``dump``, standard input may hold records that are not on disk yet.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tidegate.dataplane.journal import _compaction, _state, files

_WRONG_USE = 2
_WORLD_FAILED = 3


def main(arguments: list[str]) -> int:
    """Run one piece of work; give the exit code."""
    os.umask(0o077)
    try:
        match arguments:
            case ["compact", folder, segment]:
                _compaction.compact(Path(folder), int(segment))
            case ["restore", folder, file]:
                state = _load(folder)
                files.write_atomically(Path(file), state.delta(objects=False))
                sys.stdout.write(str(state.version))
            case ["dump", folder]:
                sys.stdout.buffer.writelines(_load(folder).delta(objects=True))
            case ["rebase", folder]:
                sys.stdout.buffer.writelines(_rebased(folder))
            case _:
                sys.stderr.write(__doc__ or "")
                return _WRONG_USE
    except OSError as e:
        sys.stderr.write(f"{arguments[0]}: {e.strerror}: {e.filename or arguments[1]}\n")
        return _WORLD_FAILED
    return 0


def _load(folder: str) -> _state.State:
    return _state.load(Path(folder), more=memoryview(sys.stdin.buffer.read()))


def _rebased(folder: str) -> Iterator[bytes | memoryview]:
    state = _state.load(Path(folder))
    state.replace(memoryview(sys.stdin.buffer.read()))
    return state.delta(objects=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
