"""One answer to a scrape, from all that there is to tell."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tidegate.dataplane.keeper.paths import StateDir
from tidegate.observe.metrics import _memory, _nginx, _others
from tidegate.observe.metrics._declared import BY_NAME, PREFIX
from tidegate.observe.metrics._nginx import Sample
from tidegate.observe.metrics._others import Told
from tidegate.observe.metrics._text import Format, Page, compressed, head, label_text
from tidegate.observe.metrics._totals import Series, Totals

TOTALS: Final = "metrics.json"
"""File in the state folder that keeps what ended instances have counted."""

_WITHOUT_CONSTANTS: Final = ("ssl_expire_time_seconds", "ssl_certificate_info")


class Exporter:
    """The exporter of one state folder."""

    def __init__(self, state_dir: Path) -> None:
        """Find what is there."""
        self.state = StateDir(state_dir)
        self.totals = Totals(self.state.nginx, self.state.root / TOTALS)
        self._page: Page | None = None
        self._told = Told()
        self._alive: frozenset[str] | None = None
        """Ingress objects as the controller named them last; None before it did."""
        self._seconds = 0.0

    def tick(self) -> None:
        """Look at the counts, so that instances that end are not missed."""
        self.totals.update()

    def scrape(self) -> list[bytes]:
        """Give the answer as members of a gzip file."""
        began = time.monotonic()
        told = _others.controller(self.state.root)
        self.totals.update()
        members = [*self._requests(told), compressed(self._rest(told))]
        self._seconds = time.monotonic() - began
        return members

    # --- requests -------------------------------------------------------------------------------------------

    def _requests(self, told: Told | None) -> Iterator[bytes]:
        if told is not None:
            self._alive = frozenset(told.ingresses)
            if (told.constant, told.exclude) != (self._told.constant, self._told.exclude):
                self._page = None
            self._told = told
        layout = self.totals.layout
        if layout is None:
            return
        if self._page is None or self._page.format.layout != layout:
            for series in self.totals.series.values():
                series.block = None
            self._page = Page(Format(layout, self._told.constant, self._told.exclude))
        self._page.take(series for series in self.totals.series.values() if not _is_folded(series))
        self._page.live(self._alive)
        yield from self._page.members()

    # --- everything else ------------------------------------------------------------------------------------

    def _rest(self, told: Told | None) -> str:
        samples: dict[str, list[tuple[dict[str, str], float]]] = {}
        for name, labels, value in self._samples(told):
            samples.setdefault(name, []).append((labels, value))
        parts = []
        for name, found in samples.items():
            parts.append(head(BY_NAME[name]))
            parts += (self._line(name, labels, value) for labels, value in found)
        return "".join(parts)

    def _line(self, name: str, labels: dict[str, str], value: float) -> str:
        if name.startswith(PREFIX) and not name.endswith(_WITHOUT_CONSTANTS):
            labels = {**self._told.constant, **labels}
        text = label_text(labels)
        return f"{name}{{{text}}} {value:.15g}\n" if text else f"{name} {value:.15g}\n"

    def _samples(self, told: Told | None) -> Iterator[Sample]:
        yield "tidegate_controller_up", {}, told is not None
        yield from _others.keeper(self.state.root)
        yield from _others.health(self.state.root)
        yield from _others.access_log(self.state.root)
        yield from _others.spans(self.state.root)
        yield from told.samples if told is not None else ()
        instance = self._current()
        if instance is not None:
            yield from _nginx.samples(instance, _memory.master_of(instance))
        yield from self._own()

    def _current(self) -> Path | None:
        folders = [self.state.instance(n) for n in reversed(self.state.instances())]
        return next((folder for folder in folders if _memory.master_of(folder)), None)

    def _own(self) -> Iterator[Sample]:
        layout = self.totals.layout
        if layout is not None:
            form = self._page.format if self._page else Format(layout, {})
            folded: Iterable[Series] = filter(_is_folded, self.totals.series.values())
            yield "tidegate_metrics_folded_total", {}, sum(map(form.requests_of, folded))
            yield "tidegate_metrics_cells", {}, len(self.totals.series)
            yield "tidegate_metrics_cells_limit", {}, layout.cells
        yield "tidegate_metrics_scrape_seconds", {}, self._seconds


def _is_folded(series: Series) -> bool:
    """Tell whether it is that of cell 0; requests without a route have a method, or are told by their own number."""
    return series.labels.n == 0
