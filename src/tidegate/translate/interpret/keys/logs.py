"""The access log."""

from __future__ import annotations

from typing import Final

from tidegate.translate.interpret import log_formats
from tidegate.translate.interpret.declarations import Key
from tidegate.translate.interpret.keys._making import flag

KEYS: Final[tuple[Key, ...]] = (
    Key(
        "access-log-path",
        log_formats.FILE,
        None,
        "File of the access log, in place of --access-log.",
        node="access_log",
    ),
    Key(
        "access-log-params",
        log_formats.PARAMS,
        None,
        "buffer=SIZE of a worker's buffer (4k to 64k), flush=TIME that a line waits in it (at most 1s).",
        node="access_log_params",
    ),
    flag("disable-access-log", "No access log.", node="disable_access_log"),
    flag("disable-http-access-log", "None of HTTP requests.", node="disable_http_access_log"),
    flag("disable-stream-access-log", "None of TCP and UDP connections.", node="disable_stream_access_log"),
    flag(
        "enable-access-log-for-default-backend",
        "Requests that no rule matches are logged; here they are, if not said otherwise.",
        node="log_unmatched",
    ),
    Key(
        "skip-access-log-urls",
        log_formats.URLS,
        None,
        "Request URIs that are not logged, as a whole; after ~ a regular expression.",
        node="skip_access_log_urls",
    ),
    Key(
        "log-format-upstream",
        log_formats.UPSTREAM_FORMAT,
        None,
        "Format of a line, with variables; without it, JSON.",
        node="log_format",
    ),
    Key(
        "log-format-stream",
        log_formats.STREAM_FORMAT,
        None,
        "Format of a line of a TCP or UDP connection.",
        node="stream_log_format",
    ),
    flag("log-format-escape-json", "Values in formats are escaped as in JSON.", node="log_escape_json"),
    flag("log-format-escape-none", "Values in formats are not escaped at all.", node="log_escape_none"),
)
