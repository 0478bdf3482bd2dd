"""A folder as the gateway would read it, without a gateway: for `check` and `explain`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate import translate
from tidegate.app._findings import Findings
from tidegate.findings import Finding
from tidegate.kube.objects import Ref
from tidegate.model import NodeSettings
from tidegate.sources import FolderSource
from tidegate.translate import Translator


@dataclass(frozen=True, slots=True)
class Reading:
    """What a folder means."""

    entries: Mapping[str, bytes]
    node: NodeSettings
    findings: tuple[Finding, ...]
    """With file and line where they are known."""
    objects: int
    ignored_kinds: Mapping[str, int]
    names: frozenset[str]
    """DNS names that a gateway would resolve."""


async def read(folder: Path, options: translate.Options) -> Reading:
    """Read a folder once. Raises ``NotADirectoryError``."""
    if not await asyncio.to_thread(folder.is_dir):
        raise NotADirectoryError(folder)
    source = FolderSource(folder)
    translator = Translator(options)
    translator.tell_time(time.time())
    findings = Findings(source.locate)
    objects = 0
    batches = source.batches()
    async for batch in batches:
        findings.of_files(batch.findings_by_file)
        translator.apply((change.ref, change.obj) for change in batch.changes)
        objects += len(batch.changes)
        if batch.initial:
            break
    if isinstance(batches, AsyncGenerator):
        await batches.aclose()
    by_object: dict[Ref, tuple[Finding, ...]] = {}
    names: frozenset[str] = frozenset()
    while translator.pending:
        work = translator.step()
        by_object |= work.findings
        names = names if work.names is None else work.names
    findings.of_objects(by_object)
    ordered = tuple(sorted(findings, key=lambda f: (f.file, f.line, f.object, f.field)))
    return Reading(translator.entries, translator.node, ordered, objects, source.ignored_kinds(), names)
