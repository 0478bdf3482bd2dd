"""The system's PCRE2, which nginx uses too, by way of ctypes.

Only what is needed: compile a pattern, and match it with limits on what that may cost. Every object of the library is
freed by the Python object that holds it.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any, Final

LIBRARY: Final = "libpcre2-8.so.0"
CASELESS: Final = 0x00000008
ANCHORED: Final = 0x80000000
NEVER_BACKSLASH_C: Final = 0x00100000
NEVER_UCP: Final = 0x00000800
NEVER_UTF: Final = 0x00001000

_CAPTURE_COUNT: Final = 4
_LIMITS: Final = frozenset({-47, -53, -63})
"""PCRE2_ERROR_MATCHLIMIT, _DEPTHLIMIT and _HEAPLIMIT."""
_UNSET: Final = ctypes.c_size_t(-1).value


class CompileError(ValueError):
    """PCRE2 does not take a pattern; the text is PCRE2's own."""


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(LIBRARY)
    pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "pcre2_compile_8": (pointer, [ctypes.c_char_p, size, number, pointer, pointer, pointer]),
        "pcre2_code_free_8": (None, [pointer]),
        "pcre2_pattern_info_8": (ctypes.c_int, [pointer, number, pointer]),
        "pcre2_get_error_message_8": (ctypes.c_int, [ctypes.c_int, ctypes.c_char_p, size]),
        "pcre2_match_data_create_from_pattern_8": (pointer, [pointer, pointer]),
        "pcre2_match_data_free_8": (None, [pointer]),
        "pcre2_match_context_create_8": (pointer, [pointer]),
        "pcre2_match_context_free_8": (None, [pointer]),
        "pcre2_set_match_limit_8": (ctypes.c_int, [pointer, number]),
        "pcre2_match_8": (ctypes.c_int, [pointer, ctypes.c_char_p, size, size, number, pointer, pointer]),
        "pcre2_get_ovector_pointer_8": (ctypes.POINTER(size), [pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class TooCostly(ValueError):
    """A match would need more steps than it may take."""


class Code:
    """A compiled pattern. Raises ``CompileError`` if PCRE2 refuses it."""

    def __init__(self, pattern: bytes, options: int) -> None:
        self._code = None
        self._library = _library()
        error, offset = ctypes.c_int(), ctypes.c_size_t()
        self._code = self._library.pcre2_compile_8(
            pattern, len(pattern), options, ctypes.byref(error), ctypes.byref(offset), None
        )
        if not self._code:
            raise CompileError(f"{self._message(error.value)} at offset {offset.value}")
        count = ctypes.c_uint32()
        self._library.pcre2_pattern_info_8(self._code, _CAPTURE_COUNT, ctypes.byref(count))
        self.groups = count.value

    def __del__(self) -> None:
        if self._code:
            self._library.pcre2_code_free_8(self._code)

    def match(self, subject: bytes, limit: int) -> tuple[bytes, ...] | None:
        """Match from the start of ``subject`` on; give the captures (empty if unset), None without a match.

        Raises ``TooCostly`` for a match that needs more than ``limit`` steps.
        """
        data = self._library.pcre2_match_data_create_from_pattern_8(self._code, None)
        context = self._library.pcre2_match_context_create_8(None)
        try:
            self._library.pcre2_set_match_limit_8(context, limit)
            found = self._library.pcre2_match_8(self._code, subject, len(subject), 0, 0, data, context)
            if found in _LIMITS:
                raise TooCostly(f"more than {limit} steps")
            return self._captures(data, subject) if found > 0 else None
        finally:
            self._library.pcre2_match_context_free_8(context)
            self._library.pcre2_match_data_free_8(data)

    def _captures(self, data: int, subject: bytes) -> tuple[bytes, ...]:
        offsets = self._library.pcre2_get_ovector_pointer_8(data)
        spans = ((offsets[2 * group], offsets[2 * group + 1]) for group in range(1, self.groups + 1))
        return tuple(b"" if start == _UNSET else subject[start:end] for start, end in spans)

    def _message(self, error: int) -> str:
        buffer = ctypes.create_string_buffer(256)
        self._library.pcre2_get_error_message_8(error, buffer, len(buffer))
        return buffer.value.decode("ascii", "replace")
