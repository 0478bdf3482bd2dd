"""From JSON or a plain object to a typed resource, or to the findings that say why not.

Whatever the object holds, nothing is raised: kinds that the gateway does not read give nothing, faults give findings.
What comes out is as the API server would hold it: a namespaced object has a namespace, a Secret's ``stringData`` is
merged over its ``data``, names are valid. Meaning (hosts, ports, annotations) is not judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from tidegate.findings import Effect, Finding
from tidegate.kube import names
from tidegate.kube._explaining import explain, is_base64, show
from tidegate.kube.objects import API_VERSIONS, KINDS, Ref, Resource, Secret

CLUSTER_KINDS: Final = frozenset({"IngressClass", "Namespace"})
"""Kinds without a namespace; one that is given is dropped, as kubectl does."""

DEFAULT_NAMESPACE: Final = "default"

ANNOTATIONS_BYTES: Final = 256 * 1024
"""Sum of the lengths of all annotation names and values; the API server's limit."""

_LEGACY_GROUPS: Final = {("Ingress", "extensions")}
"""Former homes of a kind. The same kind name in any other group is another thing (Knative has a Service)."""

_DECODERS: Final[dict[str, msgspec.json.Decoder[Resource]]] = {
    k: msgspec.json.Decoder(t) for k, t in KINDS.items()
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of one object: the resource, or findings, or neither for a kind that is not read."""

    kind: str
    """As written; empty if it could not be read."""
    obj: Resource | None = None
    ref: Ref | None = None
    """The name, also of a refused object if it could be read."""
    findings: tuple[Finding, ...] = ()

    @property
    def ignored(self) -> bool:
        """Tell whether the object is of a kind that is not read."""
        return self.obj is None and not self.findings


class _MetadataHead(msgspec.Struct):
    name: Any = None
    namespace: Any = None


class _Head(msgspec.Struct, rename="camel"):
    kind: Any = None
    api_version: Any = None
    metadata: Any = None


_HEAD_DECODER: Final = msgspec.json.Decoder(_Head)
_MISSING: Final = "this field must be given"


def decode_json(data: bytes, kind: str = "", api_version: str = "") -> Decoded:
    """Decode one object from JSON.

    ``kind`` and ``api_version`` are assumed where the object does not give its own (items of a list from the API
    server do not).
    """
    try:
        head = _HEAD_DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        return _not_an_object(data, e)
    head.kind = head.kind or kind
    head.api_version = head.api_version or api_version
    rejected = _judge_head(head)
    if rejected is not None:
        return rejected
    try:
        obj = _DECODERS[head.kind].decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decode_again(data, head)
    return _finish(obj, head)


def decode_plain(plain: object, kind: str = "", api_version: str = "") -> Decoded:
    """Decode one object given as plain dicts, lists, strings, numbers, booleans and None. It is not changed."""
    if not isinstance(plain, Mapping):
        return Decoded("", findings=(_refused("NotAnObject", "", "", show(plain), "a Kubernetes object"),))
    head = _Head(plain.get("kind") or kind, plain.get("apiVersion") or api_version, plain.get("metadata"))
    rejected = _judge_head(head)
    if rejected is not None:
        return rejected
    return _convert(plain, head)


def _not_an_object(data: bytes, error: Exception) -> Decoded:
    """Tell JSON that is no object from bytes that are no JSON."""
    if isinstance(error, msgspec.ValidationError):
        return Decoded(
            "", findings=(_refused("NotAnObject", "", "", data[:40].decode(errors="replace"), "a mapping"),)
        )
    return Decoded("", findings=(_refused("NotJson", "", "", "", "JSON", str(error)),))


def _decode_again(data: bytes, head: _Head) -> Decoded:
    try:
        plain = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        return _not_an_object(data, e)
    return _convert(plain, head)


def _convert(plain: Mapping[str, Any], head: _Head) -> Decoded:
    try:
        obj: Resource = msgspec.convert(plain, KINDS[head.kind])
    except msgspec.ValidationError as e:
        if head.kind == "Secret" and "base64" in str(e):
            unfolded = _unfold_base64(plain)
            if unfolded is not None:
                return _convert(unfolded, head)
        return _refuse(head, explain(e, plain, head.kind, _name_of(head)))
    except (RecursionError, OverflowError) as e:
        return _refuse(
            head, (_refused("WrongType", _name_of(head), "", "", "an object of ordinary depth", str(e)),)
        )
    return _finish(obj, head)


def _unfold_base64(plain: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the Secret with the line breaks in its base64 removed (Go's decoder skips them); None if no use."""
    data = plain.get("data")
    if not isinstance(data, Mapping):
        return None
    unfolded = {k: _without_breaks(v) for k, v in data.items()}
    if unfolded == data or not all(isinstance(v, str) and is_base64(v) for v in unfolded.values()):
        return None
    return {**plain, "data": unfolded}


def _without_breaks(value: object) -> object:
    return value.replace("\n", "").replace("\r", "") if isinstance(value, str) else value


# --- what kind of object it is ------------------------------------------------------------------------------------------


def _judge_head(head: _Head) -> Decoded | None:
    """Give the answer for an object that is not to be decoded; None for one that is."""
    kind, version = head.kind, head.api_version
    if not isinstance(kind, str) or not kind:
        return _bad_head("", "kind", kind, "the kind of the object, e.g. Ingress")
    if not isinstance(version, str) or not version:
        accepted = API_VERSIONS.get(kind, "the version of the object, e.g. v1")
        return _bad_head(kind, "apiVersion", version, accepted, _ref_of(head), _name_of(head))
    if kind not in KINDS or not _is_group_of(kind, version):
        return Decoded(kind)
    if version != API_VERSIONS[kind]:
        finding = _refused("WrongVersion", _name_of(head), "apiVersion", version, API_VERSIONS[kind])
        return Decoded(kind, ref=_ref_of(head), findings=(finding,))
    return None


def _bad_head(
    kind: str, field: str, value: object, accepted: str, ref: Ref | None = None, name: str = ""
) -> Decoded:
    absent = value is None or value == ""
    type_ = "MissingField" if absent else "WrongType"
    return Decoded(
        kind, ref=ref, findings=(_refused(type_, name, field, "" if absent else show(value), accepted),)
    )


def _is_group_of(kind: str, api_version: str) -> bool:
    group = api_version.rpartition("/")[0]
    return group == API_VERSIONS[kind].rpartition("/")[0] or (kind, group) in _LEGACY_GROUPS


def _ref_of(head: _Head) -> Ref | None:
    """Give the name of an object that was not decoded, if it is a valid one."""
    if not isinstance(head.metadata, Mapping) or head.kind not in KINDS:
        return None
    name, namespace = head.metadata.get("name"), head.metadata.get("namespace")
    if head.kind in CLUSTER_KINDS:
        namespace = ""
    elif namespace is None or namespace == "":
        namespace = DEFAULT_NAMESPACE
    elif not isinstance(namespace, str) or not names.is_label(namespace):
        return None
    return (
        Ref(head.kind, namespace, name)
        if isinstance(name, str) and names.is_name_of(head.kind, name)
        else None
    )


def _name_of(head: _Head) -> str:
    """Give what ``Finding.object`` says of an object that was not decoded: its name, or at least its kind."""
    ref = _ref_of(head)
    return str(ref) if ref is not None else show(head.kind)


# --- what the API server would have done --------------------------------------------------------------------------------


def _finish(obj: Resource, head: _Head) -> Decoded:
    """Check the names of a decoded object and bring it into the form in which the API server holds it."""
    kind, meta = head.kind, obj.metadata
    if not names.is_name_of(kind, meta.name):
        return _bad_name(head, "metadata.name", meta.name, names.rule_for(kind))
    if kind in CLUSTER_KINDS:
        namespace = None
    else:
        namespace = meta.namespace or DEFAULT_NAMESPACE
        if not names.is_label(namespace):
            return _bad_name(head, "metadata.namespace", namespace, names.LABEL_RULE)
    if namespace != meta.namespace:
        obj = replace(obj, metadata=replace(meta, namespace=namespace))
    if meta.annotations and _size(meta.annotations) > ANNOTATIONS_BYTES:
        return _refuse(head, (_too_many_annotations(head, meta.annotations),))
    if isinstance(obj, Secret) and obj.string_data:
        obj = replace(obj, data=_merged(obj), string_data=None)
    return Decoded(kind, obj, obj.ref)


def _bad_name(head: _Head, field: str, value: str, rule: str) -> Decoded:
    if not value:
        return _refuse(head, (_refused("MissingField", head.kind, field, "", rule),))
    return _refuse(head, (_refused("InvalidName", head.kind, field, show(value), rule),))


def _size(annotations: Mapping[str, str]) -> int:
    return sum(len(k) + len(v) for k, v in annotations.items())


def _too_many_annotations(head: _Head, annotations: Mapping[str, str]) -> Finding:
    largest = max(annotations, key=lambda k: len(annotations[k]))
    return _refused(
        "TooLarge",
        _name_of(head),
        "metadata.annotations",
        "",
        f"at most {ANNOTATIONS_BYTES} bytes in all annotations",
        f"there are {_size(annotations)} bytes, {len(annotations[largest])} of them in {show(largest)}",
    )


def _merged(secret: Secret) -> dict[str, bytes]:
    return {**(secret.data or {}), **{k: v.encode() for k, v in (secret.string_data or {}).items()}}


def _refuse(head: _Head, findings: tuple[Finding, ...]) -> Decoded:
    return Decoded(head.kind, ref=_ref_of(head), findings=findings)


def _refused(type_: str, name: str, field: str, value: str, accepted: str, message: str = "") -> Finding:
    return Finding(Effect.REFUSED, type_, name, field, value, accepted, message)
