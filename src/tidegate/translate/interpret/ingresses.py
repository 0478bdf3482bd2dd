"""One Ingress, interpreted alone: with its class and the policy, but without any other Ingress."""

from __future__ import annotations

import msgspec

from tidegate.findings import Effect, Finding
from tidegate.guard import Unacceptable, names
from tidegate.kube.objects import Ingress, Ref
from tidegate.store import View
from tidegate.translate._options import Options
from tidegate.translate.interpret import backend_tls, classes, reading, scripts
from tidegate.translate.interpret.backend_tls import BackendTls
from tidegate.translate.interpret.claims import (
    Backing,
    ClaimReader,
    Context,
    fallbacks,
    stand_in,
    without_collisions,
)
from tidegate.translate.interpret.contributions import (
    Claim,
    Contribution,
    Outcome,
    Shared,
    SlotKey,
    TlsSection,
    order_of,
)
from tidegate.translate.interpret.defaults import default_backing
from tidegate.translate.interpret.drafts import ClientAsk, Draft
from tidegate.translate.interpret.families import errors, passthrough
from tidegate.translate.interpret.faults import Faults
from tidegate.translate.interpret.policies import Policy


def interpret(
    ref: Ref,
    ingress: Ingress,
    view: View,
    options: Options,
    policy: Policy,
    before: Contribution | None = None,
) -> Outcome:
    """Say what an Ingress asks for. ``before`` is its last contribution, from which equal parts are taken over."""
    faults = Faults(ref)
    if not classes.is_ours(ingress, view, options):
        return Outcome(None, _not_ours(ingress, options, faults))
    if options.disable_catch_all and _is_catch_all(ingress):
        faults.add(
            Effect.IGNORED, "CatchAllDisabled", "spec.defaultBackend", "", "rules with hosts",
            "Forbidden by --disable-catch-all.",
        )  # fmt: skip
        return Outcome(None, faults.all())
    contribution = _Interpretation(ref, ingress, view, options, policy, faults).contribution(before)
    written = _written(ingress, faults)
    if faults.refused:
        return Outcome(None, faults.all(), refused=True)
    return Outcome(contribution, faults.all(), written=written)


def _written(ingress: Ingress, faults: Faults) -> bytes:
    """Write the object as JSON, to be kept; text that no JSON can hold refuses it."""
    try:
        return msgspec.json.encode(ingress)
    except UnicodeEncodeError:
        faults.add(Effect.REFUSED, "InvalidText", "", "", "valid Unicode in all fields")
        return b""


def _not_ours(ingress: Ingress, options: Options, faults: Faults) -> tuple[Finding, ...]:
    """Say so where whoever wrote the Ingress can only have meant us: in a folder."""
    if options.folder and not options.watch_namespace and not options.watch_namespaces.requirements:
        written = (ingress.spec.ingress_class_name if ingress.spec else None) or (
            ingress.metadata.annotations or {}
        ).get(classes.ANNOTATION, "")
        field = "spec.ingressClassName"
        message = "The Ingress belongs to another controller."
        faults.add(Effect.IGNORED, "NotOurs", field, written, f"class {options.ingress_class}", message)
    return faults.all()


def _is_catch_all(ingress: Ingress) -> bool:
    spec = ingress.spec
    return spec is not None and spec.default_backend is not None and not spec.rules


class _Interpretation:
    def __init__(
        self, ref: Ref, ingress: Ingress, view: View, options: Options, policy: Policy, faults: Faults
    ) -> None:
        self._ref = ref
        self._ingress = ingress
        self._view = view
        self._options = options
        self._policy = policy
        self._faults = faults

    def contribution(self, before: Contribution | None) -> Contribution:
        self._check_names()
        draft = reading.read(
            self._ingress.metadata.annotations or {}, self._policy, self._options, self._faults
        )
        context = self._context(draft)
        noted = len(self._faults.found)
        reader = ClaimReader(self._ref, context, self._faults)
        by_rule = reader.rules(self._ingress, before if before and before.context == context else None)
        has_path_faults = len(self._faults.found) > noted
        hosts = self._hosts()
        plain = self._claims(reader, by_rule, hosts)
        scripts.settle(self._ref, draft, self._view, self._faults)
        errors.settle(draft, self._ref.namespace, self._policy, self._options)
        claims = without_collisions(plain)
        return Contribution(
            ref=self._ref,
            source=self._ingress,
            shared=self._shared(draft, before),
            claims=claims,
            hosts=frozenset() if draft.canary else hosts,
            by_rule=by_rule,
            stand_in=stand_in(self._ref, draft.default_backend) if draft.default_backend else None,
            context=None if has_path_faults else context,
        )

    def _check_names(self) -> None:
        for field, check, text in (
            ("metadata.namespace", names.label, self._ref.namespace),
            ("metadata.name", names.subdomain, self._ref.name),
        ):
            try:
                check(text)
            except Unacceptable as refusal:
                self._faults.add(Effect.REFUSED, "InvalidName", field, text, str(refusal))

    def _context(self, draft: Draft) -> Context:
        return Context(
            strict=self._policy.strict_paths,
            deep=self._options.deep_inspect,
            use_regex=draft.use_regex,
            rewrite=draft.rewrite,
            default=self._default(),
        )

    def _names_resources(self) -> bool:
        rules = (self._ingress.spec.rules if self._ingress.spec else None) or ()
        items = (item for rule in rules if rule.http for item in rule.http.paths or ())
        return any(item.backend.service is None for item in items)

    def _default(self) -> Backing:
        """Give the default backend, if any path needs it."""
        if self._options.default_backend_service and self._names_resources():
            return default_backing(self._view, self._options)
        return Backing()

    def _hosts(self) -> frozenset[str]:
        """Give the hosts that the rules name; a rule without host and paths says nothing."""
        found = set()
        for rule in (self._ingress.spec.rules if self._ingress.spec else None) or ():
            try:
                host = names.host(rule.host or "")
            except Unacceptable:
                # Told by the reader of the rules.
                continue
            if rule.host or (rule.http and rule.http.paths):
                found.add(host)
        return frozenset(found)

    def _claims(
        self, reader: ClaimReader, by_rule: tuple[tuple[Claim, ...], ...], hosts: frozenset[str]
    ) -> dict[SlotKey, Claim]:
        claims = {(claim.host, claim.key): claim for rule in reversed(by_rule) for claim in reversed(rule)}
        if len(claims) < sum(map(len, by_rule)):
            self._note_repeats(by_rule, claims)
        for claim in self._own_fallbacks(reader, hosts):
            claims[claim.slot] = claim
        return claims

    def _note_repeats(self, by_rule: tuple[tuple[Claim, ...], ...], claims: dict[SlotKey, Claim]) -> None:
        for at, rule in enumerate(by_rule):
            for number, claim in enumerate(rule):
                if claims[claim.slot] is not claim:
                    self._faults.add(
                        Effect.IGNORED,
                        "PathConflict",
                        f"spec.rules[{at}].http.paths[{number}]",
                        f"{claim.host}{claim.path}",
                        "each path once",
                        "The Ingress has this host, path and path type twice; the first one counts.",
                    )

    def _own_fallbacks(self, reader: ClaimReader, hosts: frozenset[str]) -> list[Claim]:
        spec = self._ingress.spec
        if spec is None or spec.default_backend is None:
            return []
        backing = reader.backing("spec.defaultBackend", spec.default_backend)
        if backing is None or spec.default_backend.service is None:
            return []
        # The host for all others does not come from rules (reference g.5).
        return fallbacks(reader, backing, hosts - {"_"} if spec.rules else frozenset({"_"}))

    def _backend_tls(self, draft: Draft, before: Contribution | None) -> BackendTls | None:
        earlier = before.shared.backend_tls if before else None
        foreign = self._policy.cross_namespace
        return backend_tls.read(self._ref, draft.parts, self._view, self._faults, earlier, foreign=foreign)

    def _shared(self, draft: Draft, before: Contribution | None) -> Shared:
        metadata = self._ingress.metadata
        chosen = draft.service_upstream
        passes = draft.passthrough and self._may_pass_through()
        return Shared(
            order=order_of(self._ref, metadata.creation_timestamp),
            settings=draft.settings,
            profile=draft.location_profile(),
            deny=draft.deny,
            use_regex=draft.use_regex,
            rewrite=draft.rewrite,
            vhost=draft.vhost,
            service_upstream=self._policy.service_upstream if chosen is None else chosen,
            # Whose TLS is passed through speaks TLS to the gateway's plain-text requests too (reference g.17).
            protocol=passthrough.over_tls(draft.protocol) if passes else draft.protocol,
            balancing=draft.balancing,
            backend_tls=self._backend_tls(draft, before),
            canary=draft.canary,
            tls=self._tls(),
            protects=draft.protects,
            client=self._client(draft),
            ciphers=draft.ciphers,
            prefer_server_ciphers=draft.prefer_server_ciphers,
            passthrough=passes,
        )

    def _may_pass_through(self) -> bool:
        if self._options.node.passthrough:
            return True
        self._faults.add(
            Effect.IGNORED, "PassthroughDisabled", self._field_of("ssl-passthrough"), "true",
            "the flag --enable-ssl-passthrough", "The gateway ends TLS for these hosts itself.",
        )  # fmt: skip
        return False

    def _field_of(self, annotation: str) -> str:
        return reading.field_of(f"{self._options.annotations_prefix}/{annotation}")

    def _client(self, draft: Draft) -> ClientAsk | None:
        """Give what is asked of clients' certificates, and whether the Secret may be used at all."""
        if draft.client is None:
            return None
        try:
            namespace, _ = names.qualified(draft.client.secret)
        except Unacceptable as refusal:
            return msgspec.structs.replace(draft.client, fault=f"it has to be named as {refusal}")
        if namespace != self._ref.namespace and not self._policy.cross_namespace:
            fault = "it is in another namespace, and allow-cross-namespace-resources is off"
            return msgspec.structs.replace(draft.client, fault=fault)
        return draft.client

    def _tls(self) -> tuple[TlsSection, ...]:
        items = (self._ingress.spec.tls if self._ingress.spec else None) or ()
        return tuple(
            TlsSection(
                frozenset(host.lower() for host in item.hosts or ()),
                self._secret_name(f"spec.tls[{at}].secretName", item.secret_name or ""),
            )
            for at, item in enumerate(items)
        )

    def _secret_name(self, field: str, name: str) -> str:
        if not name:
            return ""
        try:
            return names.subdomain(name)
        except Unacceptable as refusal:
            self._faults.add(
                Effect.IGNORED, "InvalidName", field, name, str(refusal), "The default certificate is used."
            )
            return ""
