"""Hosts that ask their clients for certificates: who is let in (reference g.16)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate import model
from tidegate.model import ClientTls, Verify
from tidegate.translate.explain._hosts import Matched
from tidegate.translate.explain._values import Request, Step


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a guarded host says before anything else is looked at."""

    trail: tuple[Step, ...]
    status: int = 0
    """0: the client may come in."""
    location: str = ""
    redirects: bool = False
    """True if the answer is the redirect to HTTPS."""


def judge(
    entries: Mapping[str, model.Entry], request: Request, matched: Matched, scheme: str
) -> Judgement | None:
    """Say what a host does that asks for client certificates; None for all others."""
    host = entries.get(f"h/{model.LISTENER}/{matched.host}")
    client = host.client if isinstance(host, model.Host) else None
    if client is None:
        return None
    if client.deny:
        return _said(client.deny, 403)
    if request.scheme == "https":
        return _over_tls(client, request)
    return _on_the_plain_port(entries, client, matched, scheme)


def _over_tls(client: ClientTls, request: Request) -> Judgement:
    verified = request.verified
    if verified == "SUCCESS":
        return _note("the host asks for a client certificate: one that is good is taken for granted")
    if client.verify is Verify.OPTIONAL_NO_CA or (client.verify is Verify.OPTIONAL and verified == "NONE"):
        return _note(f"client certificate: {verified}, which auth-tls-verify-client: {client.verify} lets in")
    if client.page.startswith("/"):
        return _note(f"client certificate: {verified}: the path becomes {client.page}")
    if client.page:
        return _said(f"client certificate: {verified}", 302, client.page)
    return _said(f"client certificate: {verified}", 400)


def _on_the_plain_port(
    entries: Mapping[str, model.Entry], client: ClientTls, matched: Matched, scheme: str
) -> Judgement:
    if client.verify is not Verify.ON and not client.subject:
        return _note("client certificates are optional, and there are none on the plain port")
    settings, route = entries.get("g"), entries.get(f"r/{matched.route}")
    starts = (
        settings.values.get("no_tls_redirect_locations", ()) if isinstance(settings, model.Settings) else ()
    )
    if isinstance(route, model.Route) and any(route.path.startswith(start) for start in starts):
        return _note(f"the path {route.path} is open without a client certificate, as challenges must be")
    if scheme != "http":
        return _said("the host asks for a client certificate, which the plain port cannot see", 403)
    step = Step("client", "the host asks for a client certificate: to HTTPS", decisive=True)
    return Judgement((step,), redirects=True)


def _said(text: str, status: int, location: str = "") -> Judgement:
    return Judgement((Step("client", text, decisive=True),), status, location)


def _note(text: str) -> Judgement:
    return Judgement((Step("client", text),))
