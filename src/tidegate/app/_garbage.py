"""Garbage collection at moments of our choosing.

Python's own full collection walks over every container that lives: with the objects of a large folder in memory it keeps the
event loop for tenths of a second, just when much is changing. Here it only ever looks at what is young, between two
slices of work, and at everything once the first listing is dealt with and then rarely, when nothing else is to be done.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Final

YOUNG_SECONDS: Final = 2.0
"""Between two looks at what was made since the last one."""

MOST_YOUNG: Final = 10_000
"""Containers that are looked at in one go: about a millisecond. After ten thousand Ingresses were interpreted anew there are
a million, and endpoints may change at any moment."""

OLD_SECONDS: Final = 3600.0
"""Between two looks at everything. What leaks in cycles until then is little: the objects themselves hold none."""


def begin() -> None:
    """Take collection over from Python."""
    gc.disable()


def settle() -> None:
    """Collect everything, and count what is left as lasting: it is not looked at again."""
    gc.collect()
    gc.freeze()


def collect_young() -> None:
    """Collect what was made since the last time; if that is much, count it as lasting instead, which takes no time."""
    if gc.get_count()[0] > MOST_YOUNG:
        gc.freeze()
    else:
        gc.collect(1)


async def tend(is_idle: Callable[[], bool]) -> None:
    """Collect until cancelled."""
    loop = asyncio.get_running_loop()
    last = loop.time()
    while True:
        await asyncio.sleep(YOUNG_SECONDS)
        if loop.time() - last > OLD_SECONDS and is_idle():
            last = loop.time()
            gc.unfreeze()
            settle()
        elif is_idle():
            collect_young()
