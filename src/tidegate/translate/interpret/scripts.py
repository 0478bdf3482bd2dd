"""Parameters that FastCGI backends get from a ConfigMap (reference a.2, ``fastcgi-params-configmap``).

Their names are part of the location profile, checked character by character; what they hold is data, so that another value
costs no reload.
"""

from __future__ import annotations

import re
from typing import Final

from tidegate.findings import Effect
from tidegate.guard import Unacceptable
from tidegate.kube.objects import Ref
from tidegate.store import View
from tidegate.translate.interpret.drafts import Draft
from tidegate.translate.interpret.families import templates, upstreams
from tidegate.translate.interpret.faults import Faults

ANNOTATION: Final = "fastcgi-params-configmap"
MOST: Final = 32
"""Parameters of one Ingress."""

_VARIABLES: Final = templates.Variables((*upstreams.OF_REQUEST, "fastcgi_script_name"), ("http",))
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_VALUE: Final = re.compile(r"[A-Za-z0-9\-_${}/.]{1,1024}", re.ASCII)
_NAME_ACCEPTED: Final = "a name of letters, digits and . - _"
_VALUE_ACCEPTED: Final = f"letters, digits and - _ / . with variables among {_VARIABLES}"


def settle(ref: Ref, draft: Draft, view: View, faults: Faults) -> None:
    """Read the ConfigMap that an Ingress names into its draft."""
    written = draft.parts.get("script_params")
    if not written:
        return
    namespace, slash, name = str(written).rpartition("/")
    if slash and namespace != ref.namespace:
        _add(faults, Effect.IGNORED, written, f"a ConfigMap of namespace {ref.namespace}", "Ignored.")
        return
    found = view.configmap(ref.namespace, name)
    if found is None:
        draft.deny = draft.deny or f"annotation {ANNOTATION} names a ConfigMap that does not exist"
        _add(faults, Effect.DENIED, written, "a ConfigMap that exists", "Its routes answer 503.")
        return
    parameters = _parameters(found.data or {}, written, faults)
    if parameters:
        names = " ".join(parameters)
        draft.settings["script_params"] = {
            "names": names,
            "values": [list(value) for value in parameters.values()],
        }
        draft.profile["script_params"] = names


def _parameters(data: dict[str, str], written: str, faults: Faults) -> dict[str, tuple[str, ...]]:
    found = {}
    for name, text in sorted(data.items()):
        try:
            found[_checked_name(name)] = _template(text.strip())
        except Unacceptable as refusal:
            _add(faults, Effect.IGNORED, written, str(refusal), f"Parameter {name[:64]} is left out.")
    if len(found) > MOST:
        _add(faults, Effect.IGNORED, written, f"at most {MOST} parameters", "The others are left out.")
    return dict(list(found.items())[:MOST])


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Unacceptable(_NAME_ACCEPTED)
    return name


def _template(text: str) -> tuple[str, ...]:
    if not _VALUE.fullmatch(text):
        raise Unacceptable(_VALUE_ACCEPTED)
    return templates.parse(text, _VARIABLES, _VALUE_ACCEPTED)


def _add(faults: Faults, effect: Effect, value: str, accepted: str, message: str) -> None:
    faults.add(effect, "ScriptParameters", f"metadata.annotations[{ANNOTATION}]", value, accepted, message)
