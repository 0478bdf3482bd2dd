r"""Lines of nginx made strict JSON: bytes that are no UTF-8 are written as ``\xNN``, as in nginx's own escape of old.

nginx's ``escape=json`` takes care of quotes, backslashes and control characters, and lets bytes from 0x80 on pass, whatever
they are. A batch of lines that is plain ASCII (most are) costs one look; one that is good UTF-8 costs a second.
"""

from __future__ import annotations

import codecs

_NAME = "tidegate_bytes"


def _as_text(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    # Two backslashes, because this stands inside of a JSON string.
    return "".join(f"\\\\x{byte:02X}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_NAME, _as_text)


def strict(lines: bytes) -> bytes:
    """Give the same lines as UTF-8. What is UTF-8 already is given as it is."""
    if lines.isascii():
        return lines
    try:
        lines.decode()
    except UnicodeDecodeError:
        return lines.decode(errors=_NAME).encode()
    return lines
