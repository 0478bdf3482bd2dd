"""Documents that node settings name: what nginx reads from files because it takes it from nowhere else."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

import msgspec

from tidegate.findings import Effect, Finding
from tidegate.kube.objects import Ref
from tidegate.model import NodeSettings
from tidegate.store import View

_DH: Final = re.compile(
    rb"\s*-----BEGIN DH PARAMETERS-----\s([A-Za-z0-9+/=\s]{64,16384})-----END DH PARAMETERS-----\s*"
)
_DH_ACCEPTED: Final = "a Secret whose dhparam.pem holds DH PARAMETERS"


class Documents(msgspec.Struct, frozen=True):
    """Node settings that name documents, and their text, each byte as one character."""

    node: NodeSettings
    texts: dict[str, str] = {}
    findings: tuple[Finding, ...] = ()


def of_node(node: NodeSettings, view: View, configmap: Ref) -> Documents:
    """Replace keys and names of Secrets in node settings by names of documents."""
    texts: dict[str, str] = {}
    findings: tuple[Finding, ...] = ()
    if key := node.ssl_session_ticket_key:
        name = name_of(key, "key")
        texts[name] = key
        node = msgspec.structs.replace(node, ssl_session_ticket_key=name)
    if secret := node.ssl_dh_param:
        text = _parameters(secret, view)
        node = msgspec.structs.replace(node, ssl_dh_param=name_of(text, "pem") if text else "")
        texts |= {node.ssl_dh_param: text} if text else {}
        if not text:
            field = "data[ssl-dh-param]"
            message = "There is no DHE."
            findings = (
                Finding(Effect.IGNORED, "InvalidValue", str(configmap), field, secret, _DH_ACCEPTED, message),
            )
    return Documents(node, texts, findings)


def name_of(text: str, kind: str) -> str:
    """Name a document by its content."""
    return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.{kind}"


def _parameters(name: str, view: View) -> str:
    """Give the DH parameters of a Secret, written anew; empty if there are none."""
    secret = view.secret(*name.split("/", 1))
    data = dict(secret.data or {}) if secret else {}
    data |= {key: text.encode() for key, text in ((secret.string_data if secret else None) or {}).items()}
    found = _DH.fullmatch(data.get("dhparam.pem") or b"")
    if found is None:
        return ""
    try:
        coded = base64.b64encode(base64.b64decode(b"".join(found[1].split()), validate=True)).decode()
    except ValueError:
        return ""
    lines = (coded[at : at + 64] for at in range(0, len(coded), 64))
    return "\n".join(("-----BEGIN DH PARAMETERS-----", *lines, "-----END DH PARAMETERS-----", ""))
