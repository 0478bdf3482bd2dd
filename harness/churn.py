"""Changes to files at a steady rate, made by a process of its own so that they disturb no measurement.

``kinds`` says what changes: ``endpoints`` moves an application from its first instance to its second and back,
``routes`` gives its Ingress another path or takes it away, ``timeouts`` changes an annotation.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.bulk import Fleet
from harness.folder import Folder


@dataclass(frozen=True, slots=True)
class Plan:
    """What changes in a folder that holds a fleet, one file for each object."""

    folder: Path
    fleet: Fleet
    instances: tuple[tuple[str, int], ...]
    """(address, port) of instances; application ``i`` has number ``2 i`` and ``2 i + 1``, round and round."""
    rate: float
    """Changes a second."""
    kinds: Sequence[str] = ("endpoints", "routes", "timeouts")

    def own(self, number: int) -> tuple[tuple[str, int], tuple[str, int]]:
        """Give the two instances of one application."""
        count = len(self.instances)
        return self.instances[2 * number % count], self.instances[(2 * number + 1) % count]

    def files(self) -> list[tuple[str, str]]:
        """Give the files to start with."""
        made = []
        for i in range(self.fleet.count):
            name = self.file(i)
            made.append((f"{name}-ingress.yaml", self.fleet.ingress(i)))
            made.append((f"{name}-service.yaml", self.fleet.service(i)))
            made.append((f"{name}-slice.yaml", self.slice(i, 0)))
        return made

    def file(self, number: int) -> str:
        """Give the start of the names of one application's files."""
        return f"{self.fleet.namespace(number)}/{self.fleet.name(number)}"

    def slice(self, number: int, turn: int) -> str:
        """Give the slice of one application, at its first or its second instance."""
        address, port = self.own(number)[turn % 2]
        return self.fleet.slice(number, [address], port)

    def change(self, number: int) -> tuple[str, str]:
        """Give the ``number``-th change: file and text."""
        app, turn = number % self.fleet.count, number // self.fleet.count + 1
        kind = self.kinds[number % len(self.kinds)]
        if kind == "endpoints":
            return f"{self.file(app)}-slice.yaml", self.slice(app, turn)
        text = self.fleet.ingress(app)
        if kind == "timeouts":
            text = text.replace('read-timeout: "30"', f'read-timeout: "{31 + turn % 60}"')
        elif turn % 2:
            at = text.index("      - path:")
            text += text[at:].replace(f"path: {self.fleet.path}\n", f"path: {self.fleet.path}extra-{turn}\n")
        return f"{self.file(app)}-ingress.yaml", text


class Churn:
    """Makes the changes of a plan while the ``with`` block lasts."""

    def __init__(self, plan: Plan) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._made = context.Value("L", 0)
        self._process = context.Process(target=_run, args=(plan, self._stop, self._made), daemon=True)

    @property
    def changes(self) -> int:
        """Changes made so far."""
        return int(self._made.value)

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._stop.set()
        self._process.join(10)


def _run(plan: Plan, stop, made) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - types of multiprocessing
    folder, start, number = Folder(plan.folder), time.monotonic(), 0
    while not stop.is_set():
        due = start + number / plan.rate
        if (wait := due - time.monotonic()) > 0:
            time.sleep(wait)
        folder.write_text(*plan.change(number))
        number += 1
        made.value = number
