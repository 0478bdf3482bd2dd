"""Envoy, configured by files that it watches (xDS): listeners, one table of routes, clusters, endpoints by cluster.

A control plane with delta xDS would hand over less for one change; files hold whole lists, and Envoy compares. The
restart is its hot restart: a new process takes over the listening sockets, the old one drains.
"""

from __future__ import annotations

import json
import os
from typing import Any

from bench._peers._peer import Job, Peer, host
from harness import waiting

_HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_TYPES = "type.googleapis.com/envoy.config"


class Envoy(Peer):
    """One worker thread."""

    program = "envoy"
    title = "Envoy"

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._epoch = 0
        self._base = 1 + os.getpid() * 7 % 30000 + self.port
        self._hosts: list[dict[str, Any]] = []
        self._clusters: list[dict[str, Any]] = []

    def start(self) -> None:
        """Write all lists and start it."""
        (self.folder / "endpoints").mkdir()
        for name in self.job.hosts():
            self._enter(name, self.job.first)
        self._write_clusters()
        self._write_routes()
        self._write("listeners.json", "listener.v3.Listener", [self._listener()])
        self.write("envoy.json", json.dumps({
            "node": {"id": "peer", "cluster": "peers"},
            "dynamic_resources": {"lds_config": self._file("listeners.json"), "cds_config": self._file("clusters.json")},
        }))  # fmt: skip
        self._run()

    def add(self, name: str, instance: str) -> None:
        """Clusters before the routes that name them."""
        self._enter(name, instance)
        self._write_clusters()
        self._write_routes()

    def move(self, name: str, instance: str) -> None:
        """Write one cluster's endpoints."""
        address, port = self.job.instances[instance]
        socket = {"socket_address": {"address": address, "port_value": port}}
        assignment = {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket}}]}],
        }
        self._write(f"endpoints/{name}.json", "endpoint.v3.ClusterLoadAssignment", [assignment])

    def restart(self) -> None:
        """Start the next epoch; done when the last one has ended."""
        old = self._started[-1]
        self._epoch += 1
        self._run()
        waiting.until(lambda: old.poll() is not None, 60, why="the end of Envoy's last epoch")
        self.retire(old)

    def _run(self) -> None:
        self.spawn(
            "-c", "envoy.json", "--concurrency", "1", "--base-id", str(self._base), "--log-level", "error",
            "--restart-epoch", str(self._epoch), "--drain-time-s", "2", "--parent-shutdown-time-s", "3",
            "--drain-strategy", "immediate",
        )  # fmt: skip

    def _enter(self, name: str, instance: str) -> None:
        self.move(name, instance)
        route = {"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "60s"}}
        self._hosts.append({"name": name, "domains": [host(name)], "routes": [route]})
        self._clusters.append({
            "name": name, "type": "EDS", "connect_timeout": "5s",
            "eds_cluster_config": {"eds_config": self._file(f"endpoints/{name}.json")},
        })  # fmt: skip

    def _write_clusters(self) -> None:
        self._write("clusters.json", "cluster.v3.Cluster", self._clusters)

    def _write_routes(self) -> None:
        table = {"name": "all", "ignore_port_in_host_matching": True, "virtual_hosts": self._hosts}
        self._write("routes.json", "route.v3.RouteConfiguration", [table])

    def _listener(self) -> dict[str, Any]:
        manager = {
            "@type": _HCM, "stat_prefix": "web", "codec_type": "AUTO", "use_remote_address": True,
            "rds": {"route_config_name": "all", "config_source": self._file("routes.json")},
            "http_filters": [{"name": "router", "typed_config": {"@type": _ROUTER}}],
        }  # fmt: skip
        return {
            "name": "web",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": self.port}},
            "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
        }

    def _file(self, name: str) -> dict[str, Any]:
        return {"path_config_source": {"path": str(self.folder / name)}, "resource_api_version": "V3"}

    def _write(self, name: str, kind: str, entries: list[dict[str, Any]]) -> None:
        typed = [{"@type": f"{_TYPES}.{kind}", **entry} for entry in entries]
        target = self.folder / name
        aside = self.folder / f".{target.name}"
        aside.write_text(json.dumps({"resources": typed}))
        aside.rename(target)
