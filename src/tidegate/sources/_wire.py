"""How a worker hands over what it read: MessagePack, the objects in a form that decodes straight into their types."""

from __future__ import annotations

from typing import Final

import msgspec

from tidegate.findings import Finding
from tidegate.kube.objects import KINDS, Ref, Resource
from tidegate.sources._reading import Document, Item, Known


class Job(msgspec.Struct, array_like=True):
    """One file to read."""

    file: str
    limit: int
    """Bytes."""
    known: tuple[bytes, ...] = ()


class _Object(msgspec.Struct, array_like=True):
    kind: str
    namespace: str
    name: str
    index: int
    body: bytes
    """MessagePack of the object; empty for one that cannot be used."""


class Entry(msgspec.Struct, array_like=True):
    """A document; one that was known has no items."""

    digest: bytes
    line: int
    items: tuple[_Object, ...] | None = None
    """None: a known document."""
    findings: tuple[Finding, ...] = ()
    nameless: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class Part(msgspec.Struct, array_like=True):
    """Some documents of one file, in order; the file is complete with the part that says ``last``."""

    file: str
    entries: list[Entry]
    last: bool = False
    fault: Finding | None = None
    """Why the file could not be read at all."""
    gone: bool = False


_ENCODER: Final = msgspec.msgpack.Encoder()
_OBJECTS: Final[dict[str, msgspec.msgpack.Decoder[Resource]]] = {
    k: msgspec.msgpack.Decoder(t) for k, t in KINDS.items()
}
_NONE: Final[frozenset[str]] = frozenset()
encode: Final = _ENCODER.encode
decode_jobs: Final = msgspec.msgpack.Decoder(list[Job]).decode
decode_parts: Final = msgspec.msgpack.Decoder(list[Part]).decode


def pack(found: Document | Known) -> Entry:
    """Give the wire form of a document."""
    if isinstance(found, Known):
        return Entry(found.digest, found.line)
    items = tuple(_pack_item(i) for i in found.items)
    return Entry(found.digest, found.line, items, found.findings, tuple(found.nameless), found.ignored)


def _pack_item(item: Item) -> _Object:
    body = b"" if item.obj is None else _ENCODER.encode(item.obj)
    return _Object(*item.ref, item.index, body)


def unpack(entry: Entry) -> Document | Known:
    """Give the document of a wire form."""
    if entry.items is None:
        return Known(entry.digest, entry.line)
    items = tuple(_unpack_item(o) for o in entry.items)
    nameless = frozenset(entry.nameless) if entry.nameless else _NONE
    return Document(entry.digest, entry.line, items, entry.findings, nameless, entry.ignored)


def _unpack_item(wire: _Object) -> Item:
    if not wire.body:
        return Item(Ref(wire.kind, wire.namespace, wire.name), None, wire.index)
    obj = _OBJECTS[wire.kind].decode(wire.body)
    return Item(obj.ref, obj, wire.index)
