"""The access log read again: one request's line found, told as a story with the changes before it, and lines summed up live.

It reads what the gateway has written beside the running gateway, and never asks nginx for more.
"""

from tidegate.observe.access._lines import Line, Try, find, log_files, tries
from tidegate.observe.access._stories import Story, tell
from tidegate.observe.access._tails import EndpointRow, Tail, endpoints, p99, route_times

__all__ = [
    "EndpointRow",
    "Line",
    "Story",
    "Tail",
    "Try",
    "endpoints",
    "find",
    "log_files",
    "p99",
    "route_times",
    "tell",
    "tries",
]
