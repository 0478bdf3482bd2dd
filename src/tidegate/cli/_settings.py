"""From flags to what the other rooms take."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from tidegate import translate
from tidegate.app import Options, bind_addresses, default_state_dir, default_workers, nameservers
from tidegate.cli._errors import WrongUse
from tidegate.cli._flags import LaterFlags, NodeFlags, ObjectFlags
from tidegate.model import NodeSettings

_PLAIN: Final = re.compile(r"/[A-Za-z0-9/_.+~@%=,:-]+")
"""Paths that mean in nginx.conf what they mean elsewhere."""


_MOST_BUCKETS: Final = 100
_METRICS_PREFIX: Final = "nginx_ingress_controller_"


def translation(flags: ObjectFlags) -> translate.Options:
    """Give the options of translation for a folder of manifests, whose operator wrote it."""
    return translate.Options(
        folder=True,
        ingress_class=flags.ingress_class,
        controller_class=flags.controller_class,
        ingress_class_by_name=flags.ingress_class_by_name,
        watch_without_class=flags.watch_ingress_without_class is not False,
        watch_namespace=flags.watch_namespace,
        watch_namespaces=flags.watch_namespace_selector,
        allow_loopback_endpoints=flags.allow_loopback_endpoints is not False,
        disable_catch_all=flags.disable_catch_all,
        disable_svc_external_name=flags.disable_svc_external_name,
        annotations_prefix=flags.annotations_prefix,
        enable_annotation_validation=flags.enable_annotation_validation,
        deep_inspect=flags.deep_inspect,
        default_backend_service=flags.default_backend_service,
        default_ssl_certificate=flags.default_ssl_certificate,
        configmap=flags.configmap,
        tcp_services=flags.tcp_services_configmap,
        udp_services=flags.udp_services_configmap,
        node=NodeSettings(passthrough=flags.enable_ssl_passthrough),
    )


def options(node: NodeFlags, objects: ObjectFlags, later: LaterFlags, state_dir: Path | None) -> Options:
    """Give the options of a gateway. Raises `WrongUse`."""
    folder = _folder(node, later)
    _exclude(objects, later)
    return Options(
        folder=folder,
        state_dir=(state_dir or default_state_dir()).absolute(),
        translation=replace(
            translation(objects), node=_node(node, passthrough=objects.enable_ssl_passthrough)
        ),
        shutdown_grace=float(node.shutdown_grace_period),
        metrics_exclude=_metric_names(node.exclude_socket_metrics),
        post_shutdown_grace=float(node.post_shutdown_grace_period),
    )


def _folder(node: NodeFlags, later: LaterFlags) -> Path:
    if node.manifests is None:
        kubernetes = (
            " (Kubernetes as a source is not there yet)" if later.kubeconfig or later.apiserver_host else ""
        )
        raise WrongUse(f"one source is needed{kubernetes}: --manifests DIR, or TIDEGATE_MANIFESTS=DIR")
    if later.kubeconfig or later.apiserver_host:
        raise WrongUse(
            "--manifests and --kubeconfig or --apiserver-host exclude each other: choose one source"
        )
    return node.manifests


def _exclude(objects: ObjectFlags, later: LaterFlags) -> None:
    if objects.watch_namespace and objects.watch_namespace_selector.requirements:
        raise WrongUse("--watch-namespace and --watch-namespace-selector exclude each other")
    if later.publish_service and later.publish_status_address:
        raise WrongUse("--publish-service and --publish-status-address exclude each other")


def _node(flags: NodeFlags, *, passthrough: bool) -> NodeSettings:
    ports = {
        "--http-port": flags.http_port,
        "--https-port": flags.https_port,
        "--status-port": flags.status_port,
    }
    for name, port in ports.items():
        if other := next((o for o, p in ports.items() if p == port and o != name), None):
            raise WrongUse(f"{name} and {other} are both {port}; each wants a port of its own")
    return NodeSettings(
        http_port=flags.http_port,
        https_port=flags.https_port,
        status_port=flags.status_port,
        bind_addresses=bind_addresses(),
        passthrough=passthrough,
        nameservers=nameservers(),
        access_log=_access_log(flags.access_log),
        access_log_pipe=True,
        access_log_most=flags.access_log_size,
        access_log_copies=max(1, flags.access_log_copies),
        store_bytes=flags.store_size,
        metrics=_metrics_mode(flags),
        metrics_cells=flags.metrics_cells,
        metrics_per_host=flags.metrics_per_host,
        metrics_status_classes=flags.report_status_classes,
        time_buckets=_buckets("--time-buckets", flags.time_buckets),
        length_buckets=_buckets("--length-buckets", flags.length_buckets),
        size_buckets=_buckets("--size-buckets", flags.size_buckets),
        workers=default_workers(),
    )


def _metrics_mode(flags: NodeFlags) -> str:
    if flags.metrics is not None:
        return flags.metrics.value
    return "full" if flags.enable_metrics else "compact"


def _buckets(flag: str, values: tuple[float, ...]) -> tuple[float, ...]:
    if not values or len(values) > _MOST_BUCKETS or any(b <= a for a, b in pairwise(values)) or values[0] < 0:
        raise WrongUse(f"{flag} wants 1 to {_MOST_BUCKETS} numbers, each larger than the one before")
    return values


def _metric_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_METRICS_PREFIX + name.removeprefix(_METRICS_PREFIX) for name in names)


def _access_log(text: str) -> str:
    match text:
        case "off":
            return text
        case "-":
            return "/dev/stdout"
        case _:
            path = str(Path(text).absolute())
            if text.startswith("-") or not _PLAIN.fullmatch(path):
                raise WrongUse(
                    f'--access-log "{text}" is not accepted; it wants "off", "-", or a path of letters, digits and'
                    " /_.+~@%=,:-"
                )
            return path
