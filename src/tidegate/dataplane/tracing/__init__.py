"""Traces on their way out: nginx's workers tell of requests through a pipe, an exporter sends spans to a collector.

The controller says who the collector is (`configure`), the keeper sees to it that the exporter runs
(``python -m tidegate.dataplane.tracing``), and nobody waits for it. It refuses to buffer without bound: what does not fit
is dropped and counted.
"""

from tidegate.dataplane.tracing._settings import PIPE, SETTINGS, Settings, Stats, configure, read, stats

__all__ = ["PIPE", "SETTINGS", "Settings", "Stats", "configure", "read", "stats"]
