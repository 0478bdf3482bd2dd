"""What is there once: the configuration, and the default backend."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tidegate.kube.objects import Ref
from tidegate.model import Cause, NodeSettings, Settings
from tidegate.translate.interpret import configmap, defaults, documents
from tidegate.translate.interpret.families import errors
from tidegate.translate.merge.ledger import Note
from tidegate.translate.units.workshop import CONFIGURATION, DEFAULT_BACKEND, INGRESS, Workshop, qualified

CONFIGURATION_UNIT = Ref(CONFIGURATION, "", "")
DEFAULT_BACKEND_UNIT = Ref(DEFAULT_BACKEND, "", "")


class Configuration:
    """Reads the global ConfigMap."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._ref = qualified(shop.options.configmap, "ConfigMap")
        self.node: NodeSettings = shop.options.node
        self.documents: Mapping[str, str] = {}
        """Documents that the node settings name."""

    def read(self, cause: Cause) -> None:
        """Read the ConfigMap anew; if it decides otherwise about Ingress objects, all of them are due."""
        shop = self._shop
        view = shop.view()
        ref = self._ref or Ref("ConfigMap", "", "")
        found = view.configmap(ref.namespace, ref.name) if self._ref else None
        configuration = configmap.interpret(ref, found, shop.options.node)
        written = documents.of_node(configuration.node, view, ref)
        self.documents = written.texts
        shop.readers.set(CONFIGURATION_UNIT, view.seen)
        findings = (*configuration.findings, *written.findings)
        shop.ledger.put(CONFIGURATION_UNIT, [Note(ref, finding) for finding in findings])
        shop.emission.set("g", self._settings(configuration.settings), cause)
        held_back = errors.held_back_everywhere(configuration.policy, shop.options)
        self.node = msgspec.structs.replace(written.node, intercept=held_back)
        if configuration.policy != shop.policy:
            shop.policy = configuration.policy
            for ingress in shop.store.refs(INGRESS):
                shop.wake(ingress, cause)

    def _settings(self, settings: Settings) -> Settings:
        """Add what flags decide and no annotation or key says otherwise."""
        default = qualified(self._shop.options.default_backend_service, "Service")
        if default is None:
            return settings
        stand_in = errors.backend_id(default.namespace, default.name)
        return msgspec.structs.replace(
            settings, values=settings.values | {"default_backend_service": stand_in}
        )


class DefaultBackend:
    """Puts ``--default-backend-service`` behind everything else."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    def claim(self, cause: Cause) -> None:
        """Claim what no Ingress claims, or give the claim up."""
        shop = self._shop
        view = shop.view()
        contribution = defaults.default_contribution(view, shop.options)
        service = qualified(shop.options.default_backend_service, "Service")
        if service is not None:
            shop.merger.replace(defaults.owner(service.namespace), contribution, cause)
        shop.readers.set(DEFAULT_BACKEND_UNIT, view.seen)
