"""Which Ingress objects are ours (reference g.7)."""

from __future__ import annotations

from typing import Final

from tidegate.kube.objects import Ingress
from tidegate.store import View
from tidegate.translate._options import Options

ANNOTATION: Final = "kubernetes.io/ingress.class"


def is_ours(ingress: Ingress, view: View, options: Options) -> bool:
    """Decide by class name, else by the old annotation, else by whether objects without class are watched."""
    if options.watch_namespace and ingress.metadata.namespace != options.watch_namespace:
        return False
    selector = options.watch_namespaces
    if selector.requirements and not selector.matches(
        view.namespace_labels(ingress.metadata.namespace or "")
    ):
        return False
    name = ingress.spec.ingress_class_name if ingress.spec else None
    if name:
        return _owns_class(name, view, options)
    annotation = (ingress.metadata.annotations or {}).get(ANNOTATION)
    if annotation is not None:
        return annotation == options.ingress_class
    return options.watch_without_class


def _owns_class(name: str, view: View, options: Options) -> bool:
    found = view.ingress_class(name)
    if found is None:
        # A folder rarely brings the class along that a cluster would have.
        return options.folder and name == options.ingress_class and not view.has_any("IngressClass")
    controller = found.spec.controller if found.spec else None
    return controller == options.controller_class or (
        options.ingress_class_by_name and name == options.ingress_class
    )
