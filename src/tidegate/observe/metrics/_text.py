"""Totals as text of Prometheus, made of pieces that are kept compressed until their counts change.

Thousands of routes are megabytes of text, nearly all of it as it was at the last scrape. So series stand in blocks; a
block's text is made again only if one of its series has changed, and is kept compressed: as members of a gzip file, which
are simply put one after the other. Who cannot read gzip is given the same text.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final

from tidegate.observe.metrics._declared import DURATION, HISTOGRAMS, REQUESTS, Metric
from tidegate.observe.metrics._memory import Labels, Layout
from tidegate.observe.metrics._totals import Series

BLOCK: Final = 32
"""Series of one block."""

_GZIP: Final = 31
_FASTEST: Final = 1

_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

_CLASSES: Final = ("0xx", "1xx", "2xx", "3xx", "4xx", "5xx")
_COMPACT_LABELS: Final = ("namespace", "ingress", "service", "path")


def label_text(labels: Mapping[str, str]) -> str:
    """Give labels as they stand between braces."""
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())


def head(metric: Metric) -> str:
    """Give the lines before a metric's series."""
    return f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.type}\n"


def compressed(text: str) -> bytes:
    """Give a text as a member of a gzip file."""
    packer = zlib.compressobj(_FASTEST, zlib.DEFLATED, _GZIP)
    return packer.compress(text.encode()) + packer.flush()


def plain(member: bytes) -> bytes:
    """Give what `compressed` was made of."""
    return zlib.decompress(member, _GZIP)


class Format:
    """How the values of a layout are written, with labels that every series has."""

    def __init__(self, layout: Layout, constant: Mapping[str, str], exclude: Collection[str] = ()) -> None:
        """Take names of metrics to leave out, with their prefix."""
        self.layout = layout
        self._constant = constant
        times = tuple(f"{limit:g}" for limit in layout.times)
        lengths = tuple(f"{limit:g}" for limit in layout.lengths)
        sizes = tuple(f"{limit:g}" for limit in layout.sizes)
        t, n, s = len(times) + 1, len(lengths) + 1, len(sizes) + 1
        # Name → limits, place of the counts, place of the sum, and its unit.
        full = {
            "request_duration_seconds": (times, 6, 0, 0.001),
            "response_duration_seconds": (times, 6 + t, 3, 0.001),
            "connect_duration_seconds": (times, 6 + 2 * t, 4, 0.001),
            "header_duration_seconds": (times, 6 + 3 * t, 5, 0.001),
            "request_size": (lengths, 6 + 4 * t, 1, 1.0),
            "response_size": (lengths, 6 + 4 * t + n, 2, 1.0),
            "bytes_sent": (sizes, 6 + 4 * t + 2 * n, 2, 1.0),
        }
        del s
        places = full if layout.is_full else {"request_duration_seconds": (times, 7, 0, 0.001)}
        shown = HISTOGRAMS if layout.is_full else (DURATION,)
        self._histograms = [
            (metric, *places[metric.name.removeprefix("nginx_ingress_controller_")])
            for metric in shown
            if metric.name not in exclude
        ]
        self._shows_requests = REQUESTS.name not in exclude
        self._durations = slice(6, 6 + t) if layout.is_full else slice(1, 7)

    @property
    def metrics(self) -> list[Metric]:
        """Give the metrics in the order of their pieces."""
        first = [REQUESTS] if self._shows_requests else []
        return first + [histogram[0] for histogram in self._histograms]

    def labels(self, labels: Labels) -> str:
        """Give the labels of a series."""
        layout = self.layout
        names: Iterable[str] = Labels.__struct_fields__[1:] if layout.is_full else _COMPACT_LABELS
        given = {name: getattr(labels, name) for name in names}
        if not layout.per_host:
            given.pop("host", None)
        return label_text({**self._constant, **given})

    def requests_of(self, series: Series) -> float:
        """Give the requests of a series."""
        return sum(series.values[self._durations])

    def pieces(self, block: list[tuple[str, list[float]]]) -> list[str]:
        """Give the text of some series, given by labels and values, for each metric."""
        pieces = []
        if self._shows_requests:
            pieces.append(
                "".join(line for labels, values in block for line in self._requests(labels, values))
            )
        for metric, limits, first, total, unit in self._histograms:
            buckets = [(f"{metric.name}_bucket{{", f',le="{limit}"}} ') for limit in (*limits, "+Inf")]
            lines: list[str] = []
            for labels, values in block:
                counts = list(accumulate(values[first : first + len(buckets)]))
                if counts[-1]:
                    lines += (
                        f"{begin}{labels}{end}{count:.0f}\n"
                        for (begin, end), count in zip(buckets, counts, strict=True)
                    )
                    lines.append(f"{metric.name}_sum{{{labels}}} {values[total] * unit:.15g}\n")
                    lines.append(f"{metric.name}_count{{{labels}}} {counts[-1]:.0f}\n")
            pieces.append("".join(lines))
        return pieces

    def _requests(self, labels: str, values: list[float]) -> Iterator[str]:
        if self.layout.is_full:
            if count := sum(values[self._durations]):
                yield f"{REQUESTS.name}{{{labels}}} {count:.0f}\n"
            return
        for name, count in zip(_CLASSES, values[1:7], strict=True):
            if count:
                yield f'{REQUESTS.name}{{{labels},status="{name}"}} {count:.0f}\n'


class _Block:
    def __init__(self) -> None:
        self.series: list[tuple[Series, str]] = []
        self.is_stale = True
        self.pieces: list[bytes] = []


class Page:
    """The text of all series, in blocks."""

    def __init__(self, layout: Format) -> None:
        """Begin without series."""
        self.format = layout
        self._blocks: list[_Block] = []
        self._known: set[int] = set()
        self._alive: frozenset[str] | None = None
        self._heads = [compressed(head(metric)) for metric in layout.metrics]

    def take(self, series: Iterable[Series]) -> None:
        """Take series that came."""
        for one in series:
            if one.block is not None and id(one) in self._known:
                continue
            if not self._blocks or len(self._blocks[-1].series) >= BLOCK:
                self._blocks.append(_Block())
            block = self._blocks[-1]
            block.series.append((one, self.format.labels(one.labels)))
            block.is_stale = True
            one.block = block
            self._known.add(id(one))

    def live(self, ingresses: frozenset[str] | None) -> None:
        """Leave out the series of Ingress objects, ``namespace/name``, that are not among these; None: of none."""
        if ingresses == self._alive:
            return
        for block in self._blocks:
            if any(self._is_alive(s) != _is_among(s, ingresses) for s, _ in block.series):
                block.is_stale = True
        self._alive = ingresses

    def _is_alive(self, series: Series) -> bool:
        return _is_among(series, self._alive)

    def members(self) -> Iterator[bytes]:
        """Give the text, compressed in parts; what has changed is written anew."""
        for block in self._blocks:
            if block.is_stale:
                block.is_stale = False
                shown = [(labels, series.values) for series, labels in block.series if self._is_alive(series)]
                block.pieces = [compressed(text) if text else b"" for text in self.format.pieces(shown)]
        for number, first in enumerate(self._heads):
            yield first
            for block in self._blocks:
                if piece := block.pieces[number]:
                    yield piece


def _is_among(series: Series, ingresses: frozenset[str] | None) -> bool:
    labels = series.labels
    return ingresses is None or not labels.ingress or f"{labels.namespace}/{labels.ingress}" in ingresses
