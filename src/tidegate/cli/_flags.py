"""The flags of a gateway, each declared once: name, type, default, meaning.

Those of ingress-nginx have its names and defaults. A flag that is not given may come from a variable ``TIDEGATE_…``
or from the file of ``--config``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Group, Parameter

from tidegate.cli import _types as t

_GATEWAY: Final = Group("Gateway", sort_key=1)
_OBJECTS: Final = Group("Which objects count, and how", sort_key=2)
_LATER: Final = Group("Accepted from ingress-nginx, without effect so far", sort_key=9)

Flag = Parameter


@Parameter(name="*", group=_OBJECTS, negative="")
@dataclass(frozen=True, kw_only=True)
class ObjectFlags:
    """What decides about objects; shared by the gateway and by the commands that read a folder."""

    configmap: t.Qualified = "ingress-nginx/ingress-nginx-controller"
    """The global ConfigMap, namespace/name."""
    ingress_class: str = "nginx"
    """Value of the annotation kubernetes.io/ingress.class that makes an Ingress ours."""
    controller_class: str = "k8s.io/ingress-nginx"
    """spec.controller of the IngressClasses that are ours."""
    ingress_class_by_name: bool = False
    """The IngressClass whose name is that of --ingress-class is ours too."""
    watch_ingress_without_class: bool | None = None
    """An Ingress without any class is ours; with --manifests yes, if not said otherwise."""
    watch_namespace: t.Label = ""
    """Only Ingress objects of this namespace count."""
    watch_namespace_selector: t.LabelSelector = t.EVERYTHING
    """Only Ingress objects of namespaces with these labels count."""
    disable_catch_all: bool = False
    """An Ingress with spec.defaultBackend and no rules is refused."""
    default_backend_service: t.Qualified = ""
    """Gets what no rule matches, namespace/name."""
    default_ssl_certificate: t.Qualified = ""
    """Secret of the certificate for hosts without one, namespace/name."""
    tcp_services_configmap: t.Qualified = ""
    """ConfigMap of TCP services, namespace/name: port to namespace/service:port."""
    udp_services_configmap: t.Qualified = ""
    """ConfigMap of UDP services, namespace/name."""
    enable_ssl_passthrough: bool = False
    """TLS for hosts with the annotation ssl-passthrough goes to the backend as it is."""
    disable_svc_external_name: bool = False
    """Services of type ExternalName have no endpoints."""
    allow_loopback_endpoints: bool | None = None
    """Endpoints on this machine's loopback count; with --manifests yes, if not said otherwise."""
    annotations_prefix: t.Prefix = "nginx.ingress.kubernetes.io"
    """What the names of our annotations begin with."""
    enable_annotation_validation: bool = True
    """The values of annotations are judged."""
    deep_inspect: bool = True
    """An Ingress whose texts look like an attack is refused."""


@Parameter(name="*", group=_GATEWAY, negative="")
@dataclass(frozen=True, kw_only=True)
class NodeFlags:
    """What decides about the process and its sockets."""

    manifests: t.Folder | None = None
    """The folder of manifests to serve; it is watched."""
    http_port: t.Port = 80
    """Of plain HTTP."""
    https_port: t.Port = 443
    """Of HTTPS."""
    status_port: Annotated[t.Port, Parameter(alias="--healthz-port")] = 10254
    """Of /healthz, /readyz and /metrics."""
    access_log: Annotated[str, Parameter(allow_leading_hyphen=True)] = "off"
    """File of the access log, - for standard output, off for none."""
    access_log_size: t.Size = 0
    """Size at which that file is moved aside, such as 256m; 0 is never."""
    access_log_copies: t.Count = 4
    """How many such older files are kept, at least one."""
    metrics: t.Metrics | None = None
    """How requests are counted: full as ingress-nginx does, compact in a few series a route, off; compact, if not said
    otherwise, and with --enable-metrics full."""
    metrics_cells: t.Cells = 65536
    """Sets of labels that requests are counted for, at most; the rest is counted together."""
    enable_metrics: bool = False
    """Requests are counted as ingress-nginx does, unless --metrics says otherwise."""
    metrics_per_host: bool = True
    """Metrics of requests tell the host."""
    metrics_per_undefined_host: bool = False
    """Accepted; hosts that no object names are always counted, together, as _."""
    report_status_classes: bool = False
    """Metrics tell 2xx instead of 200."""
    time_buckets: t.Numbers = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
    """Buckets of times, in seconds."""
    length_buckets: t.Numbers = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0)
    """Buckets of sizes of requests and responses, in bytes."""
    size_buckets: t.Numbers = (10.0, 100.0, 1000.0, 10000.0, 100000.0, 1000000.0, 10000000.0)
    """Buckets of the metric bytes_sent."""
    exclude_socket_metrics: t.Words = ()
    """Metrics of requests that are not shown, with or without their prefix."""
    store_size: t.Size = 128 * 1024**2
    """Memory of nginx for routes, endpoints and certificates, such as 256m."""
    shutdown_grace_period: t.Seconds = 0
    """Seconds between SIGTERM, when health begins to fail, and the end of nginx."""
    post_shutdown_grace_period: t.Seconds = 0
    """Seconds between the end of nginx and the end of this process."""


@Parameter(name="*", group=_LATER, negative="")
@dataclass(frozen=True, kw_only=True)
class LaterFlags:
    """Flags of ingress-nginx that are checked and have no effect so far, or have none here at all."""

    apiserver_host: str = ""
    kubeconfig: str = ""
    certificate_authority: str = ""
    publish_service: t.Qualified = ""
    publish_status_address: t.Words = ()
    update_status: bool = True
    update_status_on_shutdown: bool = True
    report_node_internal_ip_address: bool = False
    status_update_interval: t.UpdateInterval = 60
    election_id: str = "ingress-controller-leader"
    election_ttl: t.Duration = 30.0
    disable_leader_election: bool = False
    ssl_passthrough_proxy_port: t.Port = 442
    enable_ssl_chain_completion: bool = False
    enable_topology_aware_routing: bool = False
    default_server_port: t.Port = 8181
    stream_port: t.Port = 10247
    profiler_port: t.Port = 10245
    healthz_host: str = ""
    health_check_path: str = "/healthz"
    health_check_timeout: t.Seconds = 10
    profiling: bool = True
    profiler_address: str = "127.0.0.1"
    validating_webhook: str = ""
    validating_webhook_certificate: str = ""
    validating_webhook_key: str = ""
    disable_full_test: bool = False
    sync_rate_limit: t.Number = 0.3
    sync_period: t.Duration = 0.0
    dynamic_configuration_retries: t.Count = 15
    disable_sync_events: bool = False
    bucket_factor: t.Number = 0.0
    max_buckets: t.Count = 100
    monitor_max_batch_size: t.Count = 10000
    maxmind_license_key: str = ""
    maxmind_mirror: str = ""
    maxmind_edition_ids: t.Words = ("GeoLite2-City", "GeoLite2-ASN")
    maxmind_retries_count: t.Count = 1
    maxmind_retries_timeout: t.Duration = 0.0
    internal_logger_address: str = "127.0.0.1:11514"
    v: Annotated[t.Count, Parameter(name=["-v", "--v"])] = 0
    logtostderr: bool = True
    alsologtostderr: bool = False
    stderrthreshold: str = "2"
    vmodule: str = ""

    def given(self) -> list[str]:
        """Give the flags whose values are not the default ones."""
        changed = (field.name for field in fields(self) if getattr(self, field.name) != field.default)
        return [f"--{name.replace('_', '-')}" for name in changed]


StateDir = Annotated[
    Path | None,
    Parameter(
        group=_GATEWAY, help="Folder of everything that the gateway writes; it is how commands find it."
    ),
]
ConfigFile = Annotated[
    Path | None,
    Parameter(group=_GATEWAY, help="TOML file with flags by name, such as http-port = 8080."),
]
OutputFlag = Annotated[
    t.Output, Parameter(help="text for people, json for programs.", group=Group("Output", sort_key=8))
]
