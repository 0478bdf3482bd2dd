"""Reading the annotations of one Ingress into a draft (reference a.0)."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.findings import Effect
from tidegate.guard import Unacceptable
from tidegate.translate._options import Options
from tidegate.translate.interpret import known, registry
from tidegate.translate.interpret.declarations import OWN_PREFIX, Annotation, Data, InProfile, Invalid
from tidegate.translate.interpret.drafts import Draft
from tidegate.translate.interpret.faults import Faults
from tidegate.translate.interpret.policies import Policy

_DEFAULT_PREFIX = Options().annotations_prefix
_EFFECTS = {Invalid.DROP: Effect.REFUSED, Invalid.DENY: Effect.DENIED, Invalid.DFLT: Effect.IGNORED}
_CONSEQUENCES = {
    Invalid.DROP: "The Ingress is refused.",
    Invalid.DENY: "Every route of the Ingress answers 503.",
    Invalid.DFLT: "The default holds.",
}


def field_of(written: str) -> str:
    """Name the field of an annotation."""
    return f"metadata.annotations[{written}]"


def read(annotations: Mapping[str, str], policy: Policy, options: Options, faults: Faults) -> Draft:
    """Read all annotations. The draft is of no use if ``faults`` then says that the Ingress is refused."""
    return _Reader(annotations, policy, options, faults).read()


class _Reader:
    def __init__(
        self, annotations: Mapping[str, str], policy: Policy, options: Options, faults: Faults
    ) -> None:
        self._prefix = options.annotations_prefix + "/"
        self._checked = options.enable_annotation_validation
        self._policy = policy
        self._faults = faults
        self._annotations = annotations
        self._draft = Draft(deny=policy.deny)

    def read(self) -> Draft:
        for written, text in self._annotations.items():
            if written.startswith(OWN_PREFIX):
                self._take_own(written, written.removeprefix(OWN_PREFIX), text)
            elif written.startswith(self._prefix):
                self._take(written, written.removeprefix(self._prefix), text)
            elif written.startswith(_DEFAULT_PREFIX + "/"):
                accepted = f"the prefix {self._prefix}"
                self._ignored(
                    written, text, "WrongPrefix", accepted, "Only the prefix of --annotations-prefix counts."
                )
        for complete in registry.COMPLETIONS:
            complete(self._draft, self._problem)
        return self._draft

    def _take_own(self, written: str, name: str, text: str) -> None:
        if name not in registry.OWN_BY_NAME and self._prefix == OWN_PREFIX:
            self._take(written, name, text)
            return
        self._check_words(written, text)
        if not text.strip():
            return
        if declared := registry.OWN_BY_NAME.get(name):
            self._declared(declared, written, text)
        else:
            self._no_such(registry.nearest_own(name), OWN_PREFIX, written, text)

    def _check_words(self, written: str, text: str) -> None:
        if any(word in text for word in self._policy.forbidden_words):
            self._faults.add(
                Effect.REFUSED, "ForbiddenWord", field_of(written), text,
                "a value without any word of annotation-value-word-blocklist",
            )  # fmt: skip

    def _take(self, written: str, name: str, text: str) -> None:
        self._check_words(written, text)
        if not text.strip():
            # Empty is as good as absent, whatever the type.
            return
        if declared := registry.BY_NAME.get(registry.CANONICAL.get(name, name)):
            if self._is_first_choice(declared, name):
                self._declared(declared, written, text)
        elif known.risk_of(known.canonical(name)) is not None:
            self._unsupported(known.canonical(name), written, text)
        else:
            self._unknown(name, written, text)

    def _is_first_choice(self, declared: Annotation, name: str) -> bool:
        """Say whether no better name of the same annotation has a value."""
        names = (declared.name, *declared.aliases)
        better = names[: names.index(name)]
        return not any(self._annotations.get(self._prefix + other, "").strip() for other in better)

    def _declared(self, declared: Annotation, written: str, text: str) -> None:
        if declared.risk > self._policy.risk_level:
            self._too_risky(declared.risk.name, written, text)
            return
        try:
            value = declared.type.parse(_trimmed(text), checked=self._checked)
        except Unacceptable as refusal:
            self._invalid(declared, written, text, str(refusal))
            value = declared.otherwise
        if value is not None:
            self._store(declared, value)
            self._draft.protects |= known.restricts(declared.name, text)

    def _store(self, declared: Annotation, value: object) -> None:
        draft = self._draft
        match declared.target:
            case Data(key):
                draft.settings[key] = value
            case InProfile(key) if isinstance(value, int | bool | str):
                draft.profile[key] = value
            case part:
                draft.parts[part.name if not isinstance(part, InProfile) else part.key] = value

    def _invalid(self, declared: Annotation, written: str, text: str, accepted: str) -> None:
        effect = _EFFECTS[declared.invalid]
        message = _CONSEQUENCES[declared.invalid]
        if declared.otherwise is not None:
            message = f"It counts as {str(declared.otherwise).lower()}."
        self._faults.add(effect, "InvalidValue", field_of(written), text, accepted, message)
        if effect is Effect.DENIED:
            self._draft.deny = f"annotation {declared.name} cannot be understood"

    def _unsupported(self, name: str, written: str, text: str) -> None:
        risk = known.risk_of(name)
        if risk is not None and risk > self._policy.risk_level:
            self._too_risky(risk.name, written, text)
        elif known.asks_for_protection(name, text):
            self._draft.deny = f"annotation {name} asks for a protection that is not supported yet"
            message = (
                "This protection is not supported yet. A protection that cannot be given fails closed: every route "
                "of the Ingress answers 503."
            )
            self._faults.add(
                Effect.DENIED, "NotSupportedYet", field_of(written), text, "no such annotation", message
            )
        else:
            self._ignored(
                written, text, "NotSupportedYet", "no such annotation", "Ignored: not supported yet."
            )

    def _too_risky(self, risk: str, written: str, text: str) -> None:
        level = self._policy.risk_level.name.capitalize()
        message = (
            f"Its risk is {risk.capitalize()}, above annotations-risk-level: {level}. The Ingress is refused."
        )
        self._faults.add(
            Effect.REFUSED,
            "AnnotationRisk",
            field_of(written),
            text,
            f"annotations up to risk {level}",
            message,
        )

    def _unknown(self, name: str, written: str, text: str) -> None:
        if name in known.GONE:
            self._ignored(written, text, "AnnotationGone", "no such annotation", "It was given up long ago.")
            return
        self._no_such(registry.nearest(name), self._prefix, written, text)

    def _no_such(self, near: str, prefix: str, written: str, text: str) -> None:
        accepted = f"{prefix}{near}" if near else "an annotation of the reference"
        self._faults.add(
            Effect.WARNING,
            "UnknownAnnotation",
            field_of(written),
            text,
            accepted,
            "No annotation has this name.",
        )

    def _problem(self, name: str, accepted: str, message: str) -> None:
        written = (OWN_PREFIX if name in registry.OWN_BY_NAME else self._prefix) + name
        self._ignored(written, self._annotations.get(written, ""), "NoEffect", accepted, message)

    def _ignored(self, written: str, text: str, kind: str, accepted: str, message: str) -> None:
        self._faults.add(Effect.IGNORED, kind, field_of(written), text, accepted, message)


def _trimmed(text: str) -> str:
    """Take the spaces around each line away, as upstream; a value of several lines stays one (and is refused)."""
    return "\n".join(line.strip() for line in text.split("\n")) if "\n" in text else text
