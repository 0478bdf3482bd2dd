"""A source followed by a test: what it has told so far, and waiting for what it should tell."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from tidegate.findings import Finding
from tidegate.kube.objects import Ref, Resource
from tidegate.sources import Batch, FolderSource

PATIENCE = 20.0
"""Seconds until a test gives up; no statement about how long anything takes."""


class Follower:
    """Collects the batches of a source into the state that they describe."""

    def __init__(self, source: FolderSource) -> None:
        self.source = source
        self.batches: list[Batch] = []
        self.objects: dict[Ref, Resource] = {}
        self.findings: dict[str, tuple[Finding, ...]] = {}
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._follow())

    @property
    def listed(self) -> bool:
        return any(b.initial for b in self.batches)

    def names(self) -> list[str]:
        return sorted(str(r) for r in self.objects)

    def types(self) -> list[str]:
        """Give the types of all findings."""
        return sorted(f.type for found in self.findings.values() for f in found)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until the state is as it should be."""
        async with asyncio.timeout(PATIENCE):
            while not true():
                if self._task.done():
                    self._task.result()
                self._news.clear()
                await self._news.wait()

    async def until_names(self, *names: str) -> None:
        """Wait until exactly these objects are in force."""
        try:
            await self.until(lambda: self.names() == sorted(names))
        except TimeoutError:
            assert self.names() == sorted(names)

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _follow(self) -> None:
        try:
            async for batch in self.source.batches():
                self._take(batch)
        finally:
            self._news.set()

    def _take(self, batch: Batch) -> None:
        self.batches.append(batch)
        for change in batch.changes:
            if change.obj is None:
                self.objects.pop(change.ref, None)  # what never was usable may go, too
            else:
                assert change.where is not None
                self.objects[change.ref] = change.obj
        self.findings |= batch.findings_by_file
        self.findings = {f: found for f, found in self.findings.items() if found}
        self._news.set()


@contextlib.asynccontextmanager
async def following(folder: Path, *, listed: bool = True, **options: Any) -> AsyncIterator[Follower]:
    """Follow a folder; with ``listed`` the complete listing has been told."""
    follower = Follower(FolderSource(folder, **options))
    try:
        if listed:
            await follower.until(lambda: follower.listed)
        yield follower
    finally:
        await follower.close()


def service(name: str, port: int = 80, namespace: str = "default") -> str:
    return f"""\
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
spec:
  ports:
  - port: {port}
"""


def port_of(obj: Resource) -> int:
    return obj.spec.ports[0].port  # type: ignore[union-attr,index]


def svc(name: str) -> Ref:
    return Ref("Service", "default", name)


def port_is(seen: Follower, name: str, port: int) -> Callable[[], bool]:
    """Give the question whether a Service has this port."""
    return lambda: svc(name) in seen.objects and port_of(seen.objects[svc(name)]) == port
