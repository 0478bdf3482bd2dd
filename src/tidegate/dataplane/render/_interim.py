"""Interim answers (1xx) of backends: nginx takes them for final ones and passes all that follows to the client as it is.

So what a backend sends after ``103`` could be the answer to the client's next request on that connection. nginx has no
switch for it, and a look at each answer from Lua would cost every request. But a header may hang on the status: such an
answer gets one whose value ends its head and is the head of a 502 that closes the connection. That is what the client then
takes for the answer, and it reads no further.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_SWITCHING: Final = 101
_LEAST_FINAL: Final = 200
_PER_LINE: Final = 10


def http_lines() -> Iterator[str]:
    """Give the directives of the http block: the maps for `SERVER_LINE`."""
    # As a header's value: an empty line, and the answer instead.
    yield r"map '' $tg_502 { default '\r\n\r\nHTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0'; }"
    # Who asked for another protocol may get it.
    yield "map $http_upgrade $tg_switched { default ''; '' $tg_502; }"
    yield "map $status $tg_final {"
    yield "    default '';"
    yield f"    {_SWITCHING} $tg_switched;"
    others = [f"{status:03} $tg_502;" for status in range(_LEAST_FINAL) if status != _SWITCHING]
    for at in range(0, len(others), _PER_LINE):
        yield f"    {' '.join(others[at : at + _PER_LINE])}"
    yield "}"


SERVER_LINE: Final = "add_header Interim $tg_final always;"
"""The directive of each server that passes answers on. A location with an ``add_header`` of its own needs it too."""
