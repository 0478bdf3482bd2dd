"""Targets: URLs, read once into what a request needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tidegate.observe.ledger._errors import BadPlan
from tidegate.observe.ledger._records import Target


@dataclass(frozen=True, slots=True)
class Aim:
    """A target as the client uses it."""

    target: Target
    host: str
    """As in the Host header: with the port only if the URL has one."""
    name: str
    """For TLS and for the resolver."""
    port: int
    path: str
    secure: bool


def target_of(text: str) -> Target:
    """Read ``URL``, ``NAME=URL`` or ``NAME@TENANT=URL``. Raises ``BadPlan``."""
    label, equals, url = text.partition("=")
    if not equals or "://" in label:
        label, url = "", text
    name, _, tenant = label.partition("@")
    aim_of(Target(name, url))
    return Target(name or url, url, tenant)


def aim_of(target: Target) -> Aim:
    """Take a target's URL apart. Raises ``BadPlan`` with what would be accepted."""
    url = target.url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        port, parts = None, urlsplit("")
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or not url.isascii()
        or not url.isprintable()
    ):
        raise BadPlan(f'target "{url}" is not accepted; it wants a URL such as http://shop.example:8080/cart')
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if " " in path:
        raise BadPlan(f'target "{url}" is not accepted; spaces in a URL are written %20')
    return Aim(
        target, parts.netloc.rpartition("@")[2], parts.hostname, port or (443 if secure else 80), path, secure
    )


def spread(aims: Sequence[Aim], mix: Mapping[str, int]) -> dict[str, list[Aim]]:
    """Say which targets each way to ask has.

    Where there are targets of both kinds, handshakes go to https and all else to http. Raises ``BadPlan`` for ``tls``
    without a target for it.
    """
    secure, plain = [a for a in aims if a.secure], [a for a in aims if not a.secure]
    if not aims:
        raise BadPlan("no target; a URL such as http://shop.example:8080/cart is wanted")
    if mix.get("tls") and not secure:
        raise BadPlan("the mix has tls, and no target is https://…; give one, or leave tls out of --mix")
    return {how: secure if how == "tls" else plain or secure for how in mix}
