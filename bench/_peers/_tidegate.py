"""Tidegate itself, on a folder of manifests: what its users do. One nginx worker."""

from __future__ import annotations

from types import TracebackType

import tidegate
from bench import _rounds
from bench._peers._peer import Job, Peer, host
from harness import bulk, cpu, keeper, manifests
from harness.gateway import Gateway


class Tidegate(Peer):
    """A file for each application that comes; the restart is a hand-over to a new nginx."""

    title = "Tidegate"

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.gateway = Gateway(access_log=False, start_timeout=300)
        self.port = self.gateway.http_port

    def version(self) -> str:
        """Give its own version."""
        return tidegate.__version__

    def start(self) -> None:
        """Start it with all routes in one file."""
        config = {"worker-processes": "1", "ssl-redirect": "false"}
        self.gateway.folder.write("global.yaml", manifests.config_map(config))
        texts = (self._application(name, self.job.first) for name in self.job.hosts())
        self.gateway.folder.write_text("all.yaml", "---\n".join(texts))
        self.gateway.__enter__()
        cpu.pin(self.gateway.processes(), {_rounds.LOAD_CORE})
        cpu.pin(self.gateway.workers, {_rounds.WORKER_CORE})

    def add(self, name: str, instance: str) -> None:
        """Write a file for Ingress and Service, and one for the endpoints."""
        *rest, endpoints = self._application(name, instance).split("---\n")
        self.gateway.folder.write_text(f"{name}-slice.yaml", endpoints)
        self.gateway.folder.write_text(f"{name}.yaml", "---\n".join(rest))

    def move(self, name: str, instance: str) -> None:
        """Write the endpoints anew."""
        *_, endpoints = self._application(name, instance).split("---\n")
        self.gateway.folder.write_text(f"{name}-slice.yaml", endpoints)

    def restart(self) -> None:
        """Hand over to a new nginx."""
        keeper.ask(self.gateway.state_dir / "keeper.sock", "handover")

    def pids(self) -> list[int]:
        """Give nginx's workers."""
        return self.gateway.workers

    def everything(self) -> list[int]:
        """Give nginx alone: the other gateways have no control plane here either."""
        status = self.gateway.status()
        return [int(status["master"]), *status["workers"]]

    def control(self) -> list[int]:
        """Give controller and keeper."""
        return [*self.gateway.controller, int(self.gateway.status()["keeper"])]

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.gateway.__exit__(kind, e, tb)
        super().__exit__(None, None, None)

    def _application(self, name: str, instance: str) -> str:
        address, port = self.job.instances[instance]
        parts = {"name": name, "namespace": "peers"}
        return "---\n".join(
            (
                bulk.INGRESS.format(**parts, annotations="", host=host(name), path="/", service=name),
                bulk.SERVICE.format(**parts),
                bulk.SLICE.format(**parts, port=port, endpoints="\n" + bulk.ENDPOINT.format(address=address)),
            )
        )
