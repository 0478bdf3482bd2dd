"""Many objects at once, as text: quick for tens of thousands, and looking like what users write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: {namespace}
  labels:
    app.kubernetes.io/name: {name}
{annotations}spec:
  ingressClassName: nginx
  rules:
  - host: {host}
    http:
      paths:
      - path: {path}
        pathType: Prefix
        backend:
          service:
            name: {service}
            port:
              number: 80
"""

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
  - name: http
    port: 80
    targetPort: http
"""

SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}
  namespace: {namespace}
  labels:
    kubernetes.io/service-name: {name}
addressType: IPv4
ports:
- name: http
  port: {port}
  protocol: TCP
endpoints:{endpoints}"""

ENDPOINT = """\
- addresses:
  - {address}
  conditions:
    ready: true
"""


ANNOTATIONS = """\
  annotations:
    nginx.ingress.kubernetes.io/proxy-read-timeout: "30"
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """``count`` applications, each an Ingress for ``h<i>.<domain>``, a Service and a slice of endpoints."""

    count: int
    endpoints: int = 1
    port: int = 8080
    """Of the endpoints."""
    address: str = ""
    """Of the only endpoint, if not empty; else addresses of 10.0.0.0/8."""
    domain: str = "bulk.example"
    namespaces: int = 100
    prefix: str = "app"
    path: str = "/"
    annotated: bool = True
    """Whether each Ingress overrides a setting."""

    def host(self, number: int) -> str:
        """Give the host of one application."""
        return f"h{number}.{self.domain}"

    def namespace(self, number: int) -> str:
        """Give the namespace of one application."""
        return f"{self.prefix}-{number % self.namespaces}"

    def name(self, number: int) -> str:
        """Give the name of one application's Ingress, Service and slice."""
        return f"{self.prefix}{number}"

    def ingress(self, number: int) -> str:
        """Give one Ingress."""
        name = self.name(number)
        return INGRESS.format(
            name=name,
            namespace=self.namespace(number),
            annotations=ANNOTATIONS if self.annotated else "",
            host=self.host(number),
            service=name,
            path=self.path,
        )

    def service(self, number: int) -> str:
        """Give one Service."""
        return SERVICE.format(name=self.name(number), namespace=self.namespace(number))

    def slice(self, number: int, addresses: list[str] | None = None, port: int = 0) -> str:
        """Give one EndpointSlice."""
        given = self.addresses(number) if addresses is None else addresses
        text = "".join(ENDPOINT.format(address=a) for a in given)
        return SLICE.format(
            name=self.name(number),
            namespace=self.namespace(number),
            port=port or self.port,
            endpoints=f"\n{text}" if text else " []\n",
        )

    def addresses(self, number: int) -> list[str]:
        """Give the endpoints of one application."""
        if self.address:
            return [self.address]
        first = number * self.endpoints
        return [
            f"10.{at // 62500 % 256}.{at // 250 % 250}.{1 + at % 250}"
            for at in range(first, first + self.endpoints)
        ]

    def application(self, number: int) -> str:
        """Give all three objects of one application as one text."""
        return "---\n".join((self.ingress(number), self.service(number), self.slice(number)))

    def files(self) -> Iterator[tuple[str, str]]:
        """Give (file name, text): one file for each object."""
        for i in range(self.count):
            folder, name = self.namespace(i), self.name(i)
            yield f"{folder}/{name}-ingress.yaml", self.ingress(i)
            yield f"{folder}/{name}-service.yaml", self.service(i)
            yield f"{folder}/{name}-slice.yaml", self.slice(i)

    def one_file(self) -> str:
        """Give everything as one text."""
        return "---\n".join(self.application(i) for i in range(self.count))
