"""Findings on paper: what was refused or ignored, where, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from tidegate.cli import _output
from tidegate.findings import Effect, Finding

_STYLES: Final = {
    Effect.REFUSED: "bold red",
    Effect.DENIED: "bold red",
    Effect.FAILED: "bold red",
    Effect.IGNORED: "yellow",
    Effect.WARNING: "cyan",
}


def show(findings: Sequence[Finding]) -> None:
    """Print findings, each with its place first, as compilers do."""
    for finding in findings:
        lines = _lines(finding)
        if _output.console().is_terminal:
            _output.show(Group(_head(finding), Padding(Group(*lines), (0, 0, 1, 4))))
        else:
            _output.show(Text("\n").join([_head(finding), *(Text("    ") + line for line in lines), Text()]))


def counts(findings: Iterable[Finding]) -> str:
    """Say how many there are of each effect."""
    found = [finding.effect for finding in findings]
    return ", ".join(f"{found.count(effect)} {effect.value}" for effect in Effect if effect in found)


def _head(finding: Finding) -> Text:
    where = f"{finding.file}:{finding.line}" if finding.line else finding.file
    style = _STYLES[finding.effect]
    return Text.assemble(
        (f"{where}: " if where else ""),
        (finding.effect.value, style),
        f" {finding.type}  ",
        (finding.object, "bold"),
    )


def _lines(finding: Finding) -> list[Text]:
    parts = (
        ("field", finding.field),
        ("value", finding.value),
        ("wants", finding.accepted),
        ("", finding.message),
    )
    return [Text.assemble((f"{name:6}", "dim"), text) if name else Text(text) for name, text in parts if text]
