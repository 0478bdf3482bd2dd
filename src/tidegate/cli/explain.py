"""`tidegate explain`: what the gateway does with a request, and why."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from cyclopts import Parameter

from tidegate import model
from tidegate.app import default_state_dir
from tidegate.cli import _dump, _explanation, _output
from tidegate.cli._errors import FINE, WorldFailed, WrongUse
from tidegate.cli._flags import ConfigFile, ObjectFlags, OutputFlag, StateDir
from tidegate.cli._settings import translation
from tidegate.cli._types import Output
from tidegate.translate.explain import Entries, NotComparable, Request, decide

Method = Annotated[str, Parameter(help="Of the request, such as GET.")]
Url = Annotated[str, Parameter(help="Scheme, host, path and query; without a scheme, http.")]
Header = Annotated[
    tuple[str, ...],
    Parameter(name=["--header", "-H"], help='A header, "Name: value"; may be given again.', negative=""),
]
Manifests = Annotated[Path | None, Parameter(help="Read this folder instead of asking a running gateway.")]
RemoteAddress = Annotated[str, Parameter(help="Address of the client, for allow lists.")]
_OBJECTS = ObjectFlags()


def explain(
    method: Method,
    url: Url,
    /,
    *,
    header: Header = (),
    remote_address: RemoteAddress = "127.0.0.1",
    manifests: Manifests = None,
    state_dir: StateDir = None,
    objects: ObjectFlags = _OBJECTS,
    config: ConfigFile = None,
    output: OutputFlag = Output.TEXT,
) -> int:
    """Say what the gateway does with a request: which rule, why not the others, which backend, which settings.

    The answer comes from the entries alone; no request is sent. They are those of a running gateway (its controller
    may be dead), or those that a folder would make.

    Examples:
    tidegate explain GET https://shop.example/cart?x=1

    tidegate explain POST shop.example/api -H "X-Canary: always" --manifests ./manifests
    """
    del config  # read before the command is called
    request = _request(method, url, header, remote_address)
    entries, node = _entries(manifests, state_dir, objects)
    try:
        decision = decide(entries, request, node)
    except NotComparable as error:
        raise WorldFailed(str(error)) from error
    if output is Output.JSON:
        _output.json({"request": request, "decision": msgspec.to_builtins(decision)})
    else:
        _explanation.show(request, decision)
    return FINE


def _entries(
    manifests: Path | None, state_dir: Path | None, objects: ObjectFlags
) -> tuple[Entries, model.NodeSettings]:
    if manifests is None:
        folder = (state_dir or default_state_dir()).absolute()
        return _dump.in_force(folder), _dump.node_in_force(folder)
    from tidegate.app import _offline

    try:
        reading = asyncio.run(_offline.read(manifests.absolute(), translation(objects)))
    except NotADirectoryError:
        raise WrongUse(f'--manifests "{manifests}" is not accepted; it wants a folder that exists') from None
    return Entries(reading.entries), reading.node


def _request(method: str, url: str, headers: Iterable[str], remote_address: str) -> Request:
    if not method.isalpha():
        raise WrongUse(f'"{method}" is not a method; it wants a word such as GET')
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "http", url
    if scheme not in {"http", "https"} or not rest or rest.startswith("/"):
        raise WrongUse(f'"{url}" is not accepted; it wants http://host/path, https://host/path or host/path')
    try:
        ipaddress.ip_address(remote_address)
    except ValueError:
        raise WrongUse(
            f'--remote-address "{remote_address}" is not accepted; it wants an IP address'
        ) from None
    given = dict(_header(text) for text in headers)
    netloc = urlsplit(f"//{rest}").netloc
    target = rest[len(netloc) :]
    return Request(
        scheme=scheme,
        method=method.upper(),
        host=given.pop("host", netloc),
        uri=target if target.startswith("/") else f"/{target}",
        headers=given,
        remote_address=remote_address,
    )


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise WrongUse(f'--header "{text}" is not accepted; it wants "Name: value"')
    return name.strip().lower(), value.strip()
