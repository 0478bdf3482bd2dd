"""Reading the global ConfigMap: data settings, node settings and the policy for Ingress objects (reference, b).

Values are strings, weakly decoded. One that cannot be read leaves its key at the default, with a finding. The exception
is the allow list: what cannot be read in it lets nobody in.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tidegate.findings import Effect, Finding
from tidegate.guard import Unacceptable, addresses
from tidegate.kube.objects import ConfigMap, Ref
from tidegate.model import NodeSettings, Settings
from tidegate.translate.interpret import keys, known
from tidegate.translate.interpret.declarations import Key
from tidegate.translate.interpret.faults import Faults
from tidegate.translate.interpret.policies import Policy

NOBODY: Final = ("255.255.255.255/32",)
"""An allow list with no address that a client could have."""


class Configuration(msgspec.Struct, frozen=True):
    """All that the global ConfigMap decides."""

    settings: Settings
    node: NodeSettings
    policy: Policy
    findings: tuple[Finding, ...] = ()


def interpret(ref: Ref, configmap: ConfigMap | None, base: NodeSettings) -> Configuration:
    """Read a ConfigMap (None: there is none, all defaults hold) over what the flags say about the node."""
    data = (configmap.data if configmap else None) or {}
    faults = Faults(ref)
    read = {name: value for name, text in data.items() if (value := _value(name, text, faults)) is not None}
    node = msgspec.structs.replace(base, **_targets(read, "node"))
    if _is_true(data.get("disable-ipv6", "")):
        # With only IPv6 addresses there would be no listener left; nginx then says so.
        plain = tuple(address for address in node.bind_addresses if ":" not in address)
        node = msgspec.structs.replace(node, bind_addresses=plain or node.bind_addresses)
    policy = Policy(**_targets(read, "policy"), deny=_protections(data, faults))
    values = {key.data: key.default for key in keys.KEYS if key.data} | _targets(read, "data")
    explicit = tuple(sorted(key.data for name in read if (key := keys.BY_NAME[name]).data))
    return Configuration(Settings(values, explicit), node, policy, faults.all())


def _targets(read: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {target: value for name, value in read.items() if (target := getattr(keys.BY_NAME[name], kind))}


def _value(name: str, text: str, faults: Faults) -> Any:
    """Give the value of a key, or None where its default holds."""
    key = keys.BY_NAME.get(name)
    if key is None:
        _foreign(name, text, faults)
        return None
    try:
        return _read(key, text)
    except Unacceptable as refusal:
        faults.add(
            Effect.IGNORED, "InvalidValue", f"data[{name}]", "" if name in keys.SECRET else text, str(refusal),
            "What can be read of it holds." if name == "whitelist-source-range" else "The default holds.",
        )  # fmt: skip
    return _readable_part(text) if name == "whitelist-source-range" else None


def _read(key: Key, text: str) -> Any:
    """Decode weakly: as for the predecessor, an empty text is false, an empty list, or no value at all."""
    if not text.strip():
        return {"BOOL": False, "LIST": (), "CIDRS": (), "CODES": ()}.get(key.type.name)
    return key.type.parse(text)


def _readable_part(text: str) -> tuple[str, ...]:
    """Give the networks of a broken allow list that can be read; if there are none, one that holds nobody."""
    found = set()
    for item in text.split(","):
        try:
            found.add(addresses.network(item.strip()))
        except Unacceptable:
            continue
    return tuple(sorted(found)) or NOBODY


def _foreign(name: str, text: str, faults: Faults) -> None:
    if name in keys.ACCEPTED or name in keys.PROTECTIONS:
        return
    field = f"data[{name}]"
    if name in keys.NOT_YET:
        faults.add(
            Effect.IGNORED, "NotSupportedYet", field, text, "no such key", "Ignored: not supported yet."
        )
    elif name in keys.DEAD:
        faults.add(Effect.IGNORED, "NoEffect", field, text, "no such key", "This key never had an effect.")
    else:
        near = difflib.get_close_matches(name, sorted({*keys.BY_NAME, *keys.NOT_YET, *keys.PROTECTIONS}), n=1)
        faults.add(Effect.WARNING, "UnknownKey", field, text, *near[:1] or ("a key of the reference",))


def _protections(data: Mapping[str, str], faults: Faults) -> str:
    """Say why every route is closed, if the ConfigMap asks for a protection that is not there."""
    asked = [name for name in sorted(keys.PROTECTIONS) if known.is_on(data.get(name, ""))]
    for name in asked:
        message = (
            "This protection is not supported yet. A protection that cannot be given fails closed: every route of the "
            "gateway answers 503."
        )
        faults.add(Effect.DENIED, "NotSupportedYet", f"data[{name}]", data[name], "no such key", message)
    return f"ConfigMap key {asked[0]} asks for a protection that is not supported yet" if asked else ""


def _is_true(text: str) -> bool:
    try:
        return bool(text) and bool(keys.BY_NAME["ssl-redirect"].type.parse(text))
    except Unacceptable:
        return False
