"""The shop of the demo: its backends, its folder of manifests, its gateway, and the edits that the demo makes."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

from harness import certs, http, programs, waiting
from harness.backends import Backend, Backends
from harness.gateway import Gateway
from harness.manifests import dump, tls_secret

HOST = "shop.example"
PORT_WRITTEN = "18080"
"""The port of all endpoints in the examples; the demo's backends listen on a free one instead."""

NETWORKS = {"web": "127.0.1", "web-next": "127.0.2", "api": "127.0.3", "images": "127.0.4"}
"""Service → where its instances are: ``<network>.1``, ``.2`` …"""

_ADDRESS = re.compile(r"addresses: \[(\S+)\]")


class Shop:
    """Edits files of the copy; each edit gives the moment at which it was visible."""

    def __init__(self, pool: Backends) -> None:
        self._pool = pool
        self.authority = certs.Authority()
        self.gateway = Gateway(access_log=False)
        self.folder = self.gateway.folder
        self.port = waiting.free_ports(1)[0]
        self.instances: dict[str, Backend] = {}
        """Name → instance, of all that live."""
        self._copy(programs.ROOT / "examples" / "shop")
        self.pair = self.authority.issue(HOST)
        self.renew_certificate(self.pair)

    def _copy(self, examples: Path) -> None:
        for source in sorted(examples.glob("*.yaml")):
            text = source.read_text().replace(PORT_WRITTEN, str(self.port))
            for address in _ADDRESS.findall(text):
                self.start(address)
            self.folder.write_text(source.name, text)

    def start(self, address: str) -> Backend:
        """Start the instance at an address; it is named for its Service and number."""
        network, _, number = address.rpartition(".")
        service = next(s for s, n in NETWORKS.items() if n == network)
        made = self._pool.at(f"{service}-{number}", address, self.port)
        self.instances[made.id] = made
        return made

    def of(self, service: str) -> list[str]:
        """Give the names of the living instances of a Service."""
        return [name for name in self.instances if name.rpartition("-")[0] == service]

    def client(self) -> ssl.SSLContext:
        """Give what a browser would trust, if it trusted the demo's authority."""
        return self.authority.client()

    def shown(self) -> int:
        """Give the serial number of the certificate that a new connection is shown."""
        with http.Connection(self.gateway.https_port, tls=self.client(), sni=HOST) as connection:
            return connection.certificate().serial_number

    def set_weight(self, weight: int) -> float:
        """Change the canary's weight."""
        text = (self.folder.path / "web-next.yaml").read_text()
        return self.folder.write_text(
            "web-next.yaml", re.sub(r'canary-weight: "\d+"', f'canary-weight: "{weight}"', text)
        )

    def renew_certificate(self, pair: certs.Pair) -> float:
        """Put another certificate into the Secret."""
        self.pair = pair
        return self.folder.write_text("shop-tls.yaml", dump([tls_secret("shop-tls", pair, namespace="shop")]))

    def set_endpoints(self, names: list[str]) -> float:
        """Write the addresses of the Service ``web``."""
        text = (self.folder.path / "web.yaml").read_text()
        head, _, _ = text.partition("endpoints:\n")
        lines = [f"- addresses: [{self.instances[n].address}]\n" for n in names]
        return self.folder.write_text("web.yaml", head + "endpoints:\n" + "".join(lines))

    def end(self, name: str) -> None:
        """End an instance, as a pod ends."""
        self.instances.pop(name).refuse()
