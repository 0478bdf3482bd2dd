"""A decision on paper: what happens, the way to it, and what is in effect."""

from __future__ import annotations

from typing import Final

from rich import box
from rich.panel import Panel
from rich.text import Text

from tidegate.cli import _dump, _output
from tidegate.translate.explain import Answer, Decision, Origin, Request

_SHOWN: Final = 8
"""Endpoints that are named."""

_ORIGINS: Final = {Origin.ANNOTATION: "green", Origin.CONFIGMAP: "cyan", Origin.BUILT_IN: "dim"}


def show(request: Request, decision: Decision) -> None:
    """Print what the gateway does with a request, and why."""
    title = f"{request.method} {request.scheme}://{request.host}{request.uri}"
    _output.show(Panel(_verdict(decision), title=title, title_align="left", box=box.ROUNDED, expand=False))
    for step in decision.trail:
        mark, style = ("→", "bold") if step.decisive else ("·", "dim")
        _output.show(Text.assemble((f"  {mark} {step.stage:<10}", "dim"), (step.said, style)))
    _output.table("", ("setting", "value", "from"), _settings(decision), "")


def _verdict(decision: Decision) -> Text:
    match decision.answer:
        case Answer.REDIRECT:
            lines = [f"The gateway answers {decision.status} with Location: {decision.location}"]
        case Answer.STATUS:
            lines = [f"The gateway answers {decision.status}"]
        case Answer.ERROR_PAGE:
            lines = [
                f"The gateway's answer would be {decision.status}; {decision.backend} is asked for a page"
            ]
            lines.append(_endpoints(decision))
        case Answer.PASSTHROUGH:
            lines = [f"The TLS connection goes to {decision.backend} as it is", _endpoints(decision)]
        case _:
            lines = [
                f"Sent to backend {decision.backend} as {decision.upstream_uri}, Host: {decision.upstream_host}"
            ]
            lines.append(_endpoints(decision))
    if decision.grpc_status is not None:
        lines.append(f"As it is a gRPC call: HTTP 200, grpc-status {decision.grpc_status}")
    if decision.canary is not None:
        lines.append(f"Canary {decision.canary.backend}: {decision.canary.reason}")
    if decision.route is not None:
        where = f"{decision.route.namespace}/{decision.route.ingress}"
        rule = f"{decision.rule_kind} {decision.rule.path}" if decision.rule else "default backend"
        lines.append(f"Ingress {where}, host {decision.host}, {rule} (route {decision.route_id})")
    if decision.captures:
        lines.append(
            "Captures: " + "  ".join(f"${n}={text!r}" for n, text in enumerate(decision.captures, 1))
        )
    return Text("\n".join(lines))


def _endpoints(decision: Decision) -> str:
    shown = [_dump.address(endpoint) for endpoint in decision.endpoints[:_SHOWN]]
    more = len(decision.endpoints) - len(shown)
    how = f" ({decision.algorithm})" if decision.algorithm else ""
    return f"Endpoints{how}: {' '.join(shown) or 'none'}{f' and {more} more' if more else ''}"


def _settings(decision: Decision) -> list[tuple[object, ...]]:
    return [
        (setting.key, setting.value, Text(setting.origin.value, style=_ORIGINS[setting.origin]))
        for setting in decision.settings
    ]
