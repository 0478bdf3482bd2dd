"""Every metric that the exporter shows, declared once: the page of the reference is made from this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PREFIX: Final = "nginx_ingress_controller_"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    type: str
    """``counter``, ``gauge`` or ``histogram``."""
    help: str
    labels: tuple[str, ...] = ()


REQUEST_LABELS: Final = ("namespace", "ingress", "service", "path", "host", "method", "status", "canary")

REQUESTS: Final = Metric(f"{PREFIX}requests", "counter", "Requests.", REQUEST_LABELS)
DURATION: Final = Metric(
    f"{PREFIX}request_duration_seconds",
    "histogram",
    "From the first byte of the request to the end.",
    REQUEST_LABELS,
)
HISTOGRAMS: Final = (
    DURATION,
    Metric(
        f"{PREFIX}response_duration_seconds",
        "histogram",
        "From connecting to the endpoint to the end of its answer.",
        REQUEST_LABELS,
    ),
    Metric(
        f"{PREFIX}header_duration_seconds",
        "histogram",
        "From connecting to the endpoint to the head of its answer.",
        REQUEST_LABELS,
    ),
    Metric(
        f"{PREFIX}connect_duration_seconds",
        "histogram",
        "Connecting to the endpoint.",
        REQUEST_LABELS,
    ),
    Metric(f"{PREFIX}request_size", "histogram", "Bytes of the request, its head included.", REQUEST_LABELS),
    Metric(f"{PREFIX}response_size", "histogram", "Bytes sent to the client.", REQUEST_LABELS),
    Metric(f"{PREFIX}bytes_sent", "histogram", "Bytes sent to the client, in wide buckets.", REQUEST_LABELS),
)

_P: Final = f"{PREFIX}nginx_process_"
NGINX: Final = (
    Metric(f"{_P}connections", "gauge", "Connections of clients.", ("state",)),
    Metric(f"{_P}connections_total", "counter", "Connections of clients so far.", ("state",)),
    Metric(f"{_P}requests_total", "counter", "Requests that nginx has read."),
    Metric(f"{_P}num_procs", "gauge", "Processes of nginx."),
    Metric(f"{_P}resident_memory_bytes", "gauge", "Memory of nginx's processes."),
    Metric(f"{_P}virtual_memory_bytes", "gauge", "Address space of nginx's processes."),
    Metric(f"{_P}oldest_start_time_seconds", "gauge", "When the oldest process of nginx was started."),
    Metric(f"{_P}cpu_seconds_total", "counter", "Processor time of nginx's processes that live."),
    Metric(f"{_P}read_bytes_total", "counter", "Bytes that nginx's processes that live have read."),
    Metric(f"{_P}write_bytes_total", "counter", "Bytes that nginx's processes that live have written."),
)

_CERTIFICATE: Final = ("namespace", "class", "host", "secret_name", "identifier")
CONTROLLER: Final = (
    Metric(f"{PREFIX}build_info", "gauge", "1.", ("release", "build", "repository")),
    Metric(f"{PREFIX}config_hash", "gauge", "A number made of nginx's configuration."),
    Metric(f"{PREFIX}config_last_reload_successful", "gauge", "1 if nginx took the last configuration."),
    Metric(
        f"{PREFIX}config_last_reload_successful_timestamp_seconds",
        "gauge",
        "When nginx took a configuration last.",
    ),
    Metric(f"{PREFIX}success", "counter", "Configurations that nginx took."),
    Metric(f"{PREFIX}errors", "counter", "Configurations that nginx did not take."),
    Metric(
        f"{PREFIX}orphan_ingress",
        "gauge",
        "1 for an Ingress with a service that is not there or has no endpoints.",
        ("namespace", "ingress", "type"),
    ),
    Metric(f"{PREFIX}ssl_expire_time_seconds", "gauge", "When a certificate ends.", _CERTIFICATE),
    Metric(
        f"{PREFIX}ssl_certificate_info",
        "gauge",
        "1.",
        (*_CERTIFICATE, "issuer_organization", "issuer_common_name", "serial_number", "public_key_algorithm"),
    ),
)

OWN: Final = (
    Metric("tidegate_controller_up", "gauge", "1 if the controller answers."),
    Metric("tidegate_keeper_up", "gauge", "1 if the keeper answers."),
    Metric("tidegate_nginx_up", "gauge", "1 if nginx runs."),
    Metric("tidegate_ready", "gauge", "1 once the first complete configuration is in force."),
    Metric("tidegate_draining", "gauge", "1 while the gateway ends."),
    Metric("tidegate_version_in_force", "gauge", "Version of the routes, the same in every worker."),
    Metric("tidegate_version_age_seconds", "gauge", "Since the last change came into force."),
    Metric("tidegate_persisted", "gauge", "1 if all that is in force is on the disk."),
    Metric("tidegate_workers", "gauge", "Workers of nginx that serve the present configuration."),
    Metric("tidegate_old_generations", "gauge", "Old generations of workers that finish their requests."),
    Metric("tidegate_reloads_total", "counter", "Reloads of nginx since the keeper began."),
    Metric("tidegate_handovers_total", "counter", "Hand-overs to a new nginx since the keeper began."),
    Metric("tidegate_nginx_restarts_total", "counter", "Starts of nginx after it had died."),
    Metric(
        "tidegate_configurations_total", "counter", "Configurations put in force, by cause.", ("how", "cause")
    ),
    Metric(
        "tidegate_access_log_lines_total",
        "counter",
        "Lines of the access log, by what became of them.",
        ("what",),
    ),
    Metric(
        "tidegate_access_log_waiting_bytes", "gauge", "Bytes of lines that wait for file or standard output."
    ),
    Metric("tidegate_access_log_writable", "gauge", "0 if the last attempt to write the access log failed."),
    Metric("tidegate_store_capacity_bytes", "gauge", "Size of the memory of entries."),
    Metric("tidegate_store_free_bytes", "gauge", "Bytes of free pages in it."),
    Metric("tidegate_entries", "gauge", "Entries that are wanted, by kind.", ("kind",)),
    Metric("tidegate_queue_entries", "gauge", "Entries that wait, by what for.", ("queue",)),
    Metric("tidegate_pushes_total", "counter", "Deltas pushed since the controller began."),
    Metric("tidegate_push_conflicts_total", "counter", "Deltas that did not build on what was in force."),
    Metric("tidegate_push_seconds", "gauge", "Time of the last pushes.", ("quantile",)),
    Metric(
        "tidegate_findings", "gauge", "What is wrong with objects, by type and effect.", ("type", "effect")
    ),
    Metric("tidegate_backends_in_panic", "gauge", "Backends with more than half of their endpoints out."),
    Metric("tidegate_endpoints_passed_over", "gauge", "Endpoints that get no requests for now."),
    Metric(
        "tidegate_endpoint_events_total",
        "counter",
        "What happened to endpoints: unreachable, reset, checks_down, checks_up; and checks_passed, checks_failed.",
        ("event",),
    ),
    Metric(
        "tidegate_spans_total", "counter", "Spans: exported, dropped, or unreadable records.", ("outcome",)
    ),
    Metric("tidegate_spans_lost_total", "counter", "Traced requests that the late exporter was not told of."),
    Metric("tidegate_metrics_cells", "gauge", "Sets of labels that requests are counted for."),
    Metric("tidegate_metrics_cells_limit", "gauge", "How many there may be."),
    Metric("tidegate_metrics_folded_total", "counter", "Requests that are counted without their labels."),
    Metric("tidegate_metrics_scrape_seconds", "gauge", "Time that the last answer took to make."),
)

ALL: Final = (REQUESTS, *HISTOGRAMS, *NGINX, *CONTROLLER, *OWN)
BY_NAME: Final = {metric.name: metric for metric in ALL}
