"""Options: what the flags decide about translation."""

from __future__ import annotations

import msgspec

from tidegate.kube.selectors import Selector
from tidegate.model import NodeSettings


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Flags by their meaning (reference, section c). ``namespace/name`` texts are empty if not given."""

    ingress_class: str = "nginx"
    controller_class: str = "k8s.io/ingress-nginx"
    ingress_class_by_name: bool = False
    watch_without_class: bool = False
    folder: bool = False
    """The source is a folder: class ``ingress_class`` is ours as long as there is no IngressClass object at all."""
    watch_namespace: str = ""
    watch_namespaces: Selector = Selector()
    """Only Ingress objects of namespaces with such labels are ours."""
    allow_loopback_endpoints: bool = False
    disable_catch_all: bool = False
    disable_svc_external_name: bool = False
    annotations_prefix: str = "nginx.ingress.kubernetes.io"
    enable_annotation_validation: bool = True
    deep_inspect: bool = True
    default_backend_service: str = ""
    default_ssl_certificate: str = ""
    configmap: str = "ingress-nginx/ingress-nginx-controller"
    tcp_services: str = ""
    """ConfigMap of TCP services."""
    udp_services: str = ""
    node: NodeSettings = NodeSettings()
    """What the flags decide about the node; the ConfigMap's keys are laid over it."""
