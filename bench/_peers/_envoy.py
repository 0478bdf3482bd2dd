"""Envoy, configured by files that it watches (xDS): listeners, one table of routes, clusters with their endpoints.

A control plane with delta xDS would hand over less for one change; files hold whole lists, and Envoy compares. A file of
endpoints for each cluster is no way either: each takes one of the kernel's inotify instances, of which there are about a
hundred. The restart is its hot restart: a new process takes over the listening sockets, the old one drains.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
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
        # Texts, so that no time of ours is measured.
        self._hosts: dict[str, str] = {}
        self._clusters: dict[str, str] = {}

    def start(self) -> None:
        """Write all lists and start it."""
        for name in self.job.hosts():
            self._enter(name, self.job.first)
        self._write_clusters()
        self._write_routes()
        self._write("listeners.json", [_typed("listener.v3.Listener", self._listener())])
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
        """Write the clusters anew."""
        self._clusters[name] = self._cluster(name, instance)
        self._write_clusters()

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
        self._clusters[name] = self._cluster(name, instance)
        route = {"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "60s"}}
        self._hosts[name] = json.dumps({"name": name, "domains": [host(name)], "routes": [route]})

    def _cluster(self, name: str, instance: str) -> str:
        address, port = self.job.instances[instance]
        socket = {"socket_address": {"address": address, "port_value": port}}
        endpoints = [{"lb_endpoints": [{"endpoint": {"address": socket}}]}]
        assignment = {"cluster_name": name, "endpoints": endpoints}
        cluster = {"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": assignment}
        return _typed("cluster.v3.Cluster", cluster)

    def _write_clusters(self) -> None:
        self._write("clusters.json", self._clusters.values())

    def _write_routes(self) -> None:
        table = {"name": "all", "ignore_port_in_host_matching": True, "virtual_hosts": []}
        text = _typed("route.v3.RouteConfiguration", table)
        self._write("routes.json", [text.replace("[]", f"[{','.join(self._hosts.values())}]")])

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

    def _write(self, name: str, entries: Iterable[str]) -> None:
        self.write(name, f'{{"resources": [{",".join(entries)}]}}')


def _typed(kind: str, entry: dict[str, Any]) -> str:
    return json.dumps({"@type": f"{_TYPES}.{kind}", **entry})
